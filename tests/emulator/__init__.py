"""Exchanges on loopback, for tests: they speak a venue's REST and WebSocket dialect, and fail on request."""
