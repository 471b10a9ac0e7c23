"""The way from Textual's frames to the terminal: only what changed, and never more than the link takes."""
