"""Questions that no counter answers: counted by every worker over its own users, and added up by the one asked."""
