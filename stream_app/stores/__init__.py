"""Where figures are kept for those who show them: Redis."""
