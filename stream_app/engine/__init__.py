"""Faust extended: chunks instead of records, state in transactions, recovery at markers. Each file says what it replaces."""
