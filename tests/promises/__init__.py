"""Whether alerts keep their promise: years of simulated segments through the code that judges the real ones."""
