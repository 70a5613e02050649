"""What people and probes see: the page, the API, health, metrics."""
