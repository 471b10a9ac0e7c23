"""The watcher that runs without a screen: its log, its health file, what it tells its supervisor."""
