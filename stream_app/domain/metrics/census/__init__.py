"""Figures counted by a scan of users: each module has `count`, of a slice of users, and `answer`, of the sum."""
