"""Data sets of others as ordinary sessions."""
