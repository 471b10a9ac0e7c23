"""Studies of whole recordings: plain tables with an honest reading each."""
