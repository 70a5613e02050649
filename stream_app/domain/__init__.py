"""What the figures mean: pure functions and columns. Reads no clock, does no I/O, imports no framework."""
