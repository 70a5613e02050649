"""Answers for people: text tables for a terminal, pictures for a chat. They read an answer's JSON and nothing else."""
