"""Sessions on disk: log, seal, read, label."""
