"""From alerts to people: the terminal, webhooks, messaging services, commands and files."""
