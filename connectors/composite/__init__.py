"""One instrument on several venues as one market: the trades of all of them on one tape, in the order they came.

A composite is written `composite:SYMBOL@venue+venue+venue:SYMBOL`, the symbol of a member being that of the composite
where it is not given, or `composite:NAME` for a name of the configuration's `[composites]`. Its sizes are in base
units on the finest grid that all members share; inverse contracts, whose base amount depends on the price, are rounded
to 1e-8. Prices of members in another quote currency are converted by the last trade of a market between the two
(`rates`), when it is not older than five minutes; without one such a member is refused.

Nothing is fetched twice: the members are watched as markets of their own, and what they are told is told on.
"""

from connectors.composite.definition import Composite, checked, parse
from connectors.composite.tapping import Hub, tap

__all__ = ["Composite", "Hub", "checked", "parse", "tap"]
