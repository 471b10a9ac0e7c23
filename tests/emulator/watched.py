"""A sink that compares every book it shows with the truth, at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.codes import Channel, Flag, Reason, Trust
from engine.feed import Levels
from engine.instrument import Instrument
from tests.emulator.recording import RecordingEngine, RecordingSink
from tests.emulator.seeded import COMPARED, SeededMarket, state_of

_USABLE = (Trust.LIVE, Trust.UNVERIFIABLE)


@dataclass
class WatchedSink(RecordingSink):
    """`wrong` has a line for every book shown as usable that the market never had, or that goes back in time."""

    truth: SeededMarket | None = None
    depth: int = COMPARED
    wrong: list[str] = field(default_factory=list)
    checked: int = 0
    at: int = 0  # number of the state shown last

    def snapshot(self, recv: int, ts: int, seq: int, bids: Levels, asks: Levels) -> None:
        super().snapshot(recv, ts, seq, bids, asks)
        self._compare("snapshot")

    def book(self, recv: int, ts: int, seq: int, bids: Levels, asks: Levels) -> None:
        super().book(recv, ts, seq, bids, asks)
        self._compare("update")

    def status(
        self, recv: int, ts: int, channel: Channel, trust: Trust, reason: Reason = Reason.NONE, percent: int = 0
    ) -> None:
        super().status(recv, ts, channel, trust, reason, percent)
        if channel is Channel.BOOK:
            self._compare("status")

    @property
    def usable(self) -> bool:
        """Whether a reader would take the book for good."""
        said = self.trust(Channel.BOOK)
        return self.valid and said is not None and said[0] in _USABLE

    @property
    def current(self) -> bool:
        """Whether the book is usable and the market's newest."""
        assert self.truth is not None
        return self.usable and self._state() == self._cut(len(self.truth.states) - 1)

    def _state(self) -> object:
        return state_of(self.bids, self.asks, self.depth)

    def _cut(self, number: int) -> object:
        assert self.truth is not None
        bids, asks = self.truth.states[number]
        return bids[: self.depth], asks[: self.depth]

    def _compare(self, what: str) -> None:
        if not self.usable or self.truth is None:
            return
        self.checked += 1
        shown = self._state()
        for number in range(self.at, len(self.truth.states)):
            if self._cut(number) == shown:
                self.at = number
                return
        # A bad message may only be seen as such once it was applied: its status must follow before anyone can read.
        if not self.crossed:
            self.wrong.append(f"{what} after state {self.at} of {len(self.truth.states) - 1}: {shown}")


class WatchedEngine(RecordingEngine):
    """An engine over watched sinks."""

    def __init__(self, markets: dict[str, SeededMarket], depth: int) -> None:
        super().__init__()
        self._markets, self._depth = markets, min(depth, COMPARED)
        self.watched: list[WatchedSink] = []

    def open(self, instrument: Instrument) -> WatchedSink:
        """See Engine."""
        known = self.sinks.get(instrument.market)
        if isinstance(known, WatchedSink) and known.instrument == instrument:
            return known
        sink = WatchedSink(instrument, truth=self._markets[instrument.symbol], depth=self._depth)
        self.sinks[instrument.market] = sink
        self.watched.append(sink)
        return sink

    def of(self, market: SeededMarket) -> WatchedSink | None:
        """The sink of a market."""
        return next((s for s in reversed(self.watched) if s.truth is market), None)


def lost(sink: WatchedSink, ids: list[int], consecutive: bool) -> list[int]:
    """The ids of `ids` (the truth, in order) that are neither on the tape nor in a hole. AssertionError when one is
    there twice or out of its order."""
    place = {trade_id: i for i, trade_id in enumerate(ids)}
    covered: set[int] = set()
    newest, doubt = -1, False
    history = {t.id for t in sink.trades if t.flags & Flag.REPLAYED}
    for event in sink.events:
        if event.startswith("hole"):
            first, _, count = event.removeprefix("hole ").rpartition("+")
            if int(count) < 0:
                doubt = True
            else:
                covered.update(range(int(first), int(first) + int(count)))
            continue
        trade_id = int(event.removesuffix("r"))
        at = place[trade_id]
        assert at > newest, f"trade {trade_id} is on the tape again, or too late"
        if doubt or newest < 0:
            covered.update(ids[newest + 1 : at])
        newest, doubt = at, False
        covered.add(trade_id)
    assert consecutive or history is not None
    return [trade_id for trade_id in ids[: newest + 1] if trade_id not in covered]
