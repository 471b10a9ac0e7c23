"""The user's configuration: where it is, what it may say, what is wrong with it, and how it is edited."""
