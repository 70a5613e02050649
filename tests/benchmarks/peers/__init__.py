"""Contenders: each a program that reads the topics, reports what it took and the matrix it found, and ends."""
