"""Recorded files as tapes: captures of Binance and CSV dumps, recognised by content."""

from connectors.archives.archive import FileArchive, open_archive

__all__ = ["FileArchive", "open_archive"]
