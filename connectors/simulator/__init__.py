"""The embedded default source: seeded, believable markets, always labelled as simulated."""

from connectors.simulator.feed import SimulatedArchive, SimulatedFeed
from connectors.simulator.market import SimulatedMarket
from connectors.simulator.profiles import DEFAULT_SYMBOLS, VENUE, profile_of

__all__ = ["DEFAULT_SYMBOLS", "VENUE", "SimulatedArchive", "SimulatedFeed", "SimulatedMarket", "profile_of"]
