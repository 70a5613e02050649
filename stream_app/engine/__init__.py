"""Faust extended: chunks instead of records, state in transactions, recovery at markers."""
