"""Judges sessions: what a check found wrong, stream by stream."""
