"""What monitoring sees: Prometheus."""
