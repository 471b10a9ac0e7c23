"""What every live venue shares: sockets, sessions, trust, recovery. A venue adds its wire format and its rules.

How a venue is put together
---------------------------
A venue is a package `connectors/<venue>/` with the modules that `connectors.live.wire` names, joined by a class that
is a `connectors.live.venue.LiveVenue`:

- `name`, `sections` and `section(symbol)`: which part of the venue (with REST, sockets and native names of its own) a
  unified symbol belongs to. Two markets of one section never share a native name.
- `traits(section)`: a `Traits`; whether trade ids are consecutive (`ConsecutiveIds`: gaps show by themselves) or only
  unique (`UniqueIds`: after an interruption the stream waits for an overlap with REST), whether book snapshots come by
  REST (`SnapshotRule.join`) or in the stream (the market is subscribed to anew), what trust its books deserve.
- `rest(section, http)`: a `connectors.live.venue.Rest`, built on `connectors.live.http.RestClient` and `Budget`.
- `dialect(section)`: a fresh `connectors.live.wire.Dialect` for each socket; its state lives from `connected()` on.

`connectors.live.feed.LiveFeed(venue, symbols, channels)` is then the feed, `list_markets(venue)` the listing. A call
path: `Connection` reads a frame, `Dialect.decode` makes events of it, `MarketSession` asks the market's `BookRule`,
its `MarketTrades` (with a `Continuity` by the venue's ids) sees to the trades, and what is sound is pushed into the
engine's sink. What is not is said by status rows, for that market alone; `Tainted` says it for all of a socket.

A venue whose sockets are another library's (ccxt) is an `OwnSockets` instead of a `LiveVenue`: it gives the rule and
what keeps the sessions told, and shares all the rest.

It is registered in `connectors.venues.VENUES` by its package and the name of its class: `connectors.<venue>.feed` has
the class and a function `endpoints(rest, ws, named)`, which joins the user's addresses with the venue's own as
`connectors.live.venue.Endpoints` (`spot_rest`, `spot_ws` and so on by section). Nothing of it is loaded before it is
used.

Times are ns since the Unix epoch. Prices and sizes stay the venue's text until the instrument's grid has them; levels
are (price text, size as a number).
"""
