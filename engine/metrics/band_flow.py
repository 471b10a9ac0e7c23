"""Flow by price instead of by rank: what the book gained within a fixed distance of the mid. METRICS 1.4.

Ranked levels shift when an inner level appears; a band of prices does not. The band is set at the first mid of an
epoch and re-centred on whole minutes, never by an event, so that what enters or leaves it by its moving is no flow.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

from engine.instrument import Instrument
from engine.metrics.batch import NO_ASK, NO_BID, Batch, Bools, Changes, Floats, Quotes
from engine.metrics.calculator import State
from engine.metrics.depth import book_side, limit_within, positive_bps
from engine.metrics.seen import BookSeen
from engine.metrics.spec import Bound, MetricSpec, Param
from engine.metrics.windows import Sums, check_state, quotients
from engine.tape import Ints

#: The band is re-centred on multiples of this, ns.
RECENTRE: Final = 60_000_000_000

_T, _SEQ, _EPOCH, _TWICE = range(4)


class BandCentres:
    """The mids that bands are set at: of the last book up to the full minute, or the epoch's first one since."""

    def __init__(self) -> None:
        self._kept = np.empty((4, 0), np.int64)  # t, seq, epoch, bid + ask of the mids still needed

    def of(self, changes: Changes, quotes: Quotes, end: int) -> Ints:
        """bid + ask at the band's setting for each change of a batch, int64; 0: there is no band yet.

        The quotes of the batch are taken in; `end` is the clock after it.
        """
        if len(changes) and (one := self._same(changes, quotes, end)) is not None:
            return np.full(len(changes), one)
        mids = np.concatenate([self._kept, _mids(quotes)], axis=1)
        found = np.zeros(len(changes), np.int64)
        if mids.shape[1] and len(changes):
            minute = (changes.t - 1) // RECENTRE * RECENTRE  # the last full minute before a change
            held = np.maximum(mids[_T].searchsorted(minute, "right") - 1, 0)
            in_force = (mids[_T][held] <= minute) & (mids[_EPOCH][held] == changes.epoch)
            first = np.minimum(mids[_EPOCH].searchsorted(changes.epoch, "left"), mids.shape[1] - 1)
            begun = (mids[_EPOCH][first] == changes.epoch) & (mids[_SEQ][first] < changes.seq)
            found = np.where(in_force, mids[_TWICE][held], np.where(begun, mids[_TWICE][first], 0))
        self._keep(mids, end)
        return found

    def _same(self, changes: Changes, quotes: Quotes, end: int) -> int | None:
        """The one setting of all changes, where what is kept tells it: no minute and no epoch begins here."""
        kept = self._kept
        if not kept.shape[1] or not len(quotes):
            return None
        last, epoch = kept[:, -1], int(quotes.epoch[-1])
        minute = (int(last[_T]) - 1) // RECENTRE
        if (end - 1) // RECENTRE != minute or int(last[_EPOCH]) != epoch:
            return None
        if int(quotes.epoch[0]) != epoch or int(changes.epoch[0]) != epoch or int(changes.epoch[-1]) != epoch:
            return None
        twice = 0
        for t, _, of, mid in kept.T.tolist()[::-1]:
            if of == epoch:
                twice = mid  # of the epoch's first one, unless one up to the full minute is in force
                if t <= minute * RECENTRE:
                    break
        if (newest := np.flatnonzero(_two_sided(quotes))[-1:]).size:
            self._replace_last(quotes, int(newest[0]), minute)
        return twice

    def _replace_last(self, quotes: Quotes, row: int, minute: int) -> None:
        """As `_keep` does when only the last mid is new."""
        held = int(self._kept[_T].searchsorted(minute * RECENTRE, "right")) - 1
        first = int(self._kept[_EPOCH].searchsorted(self._kept[_EPOCH][-1], "left"))
        stay = self._kept[:, sorted({max(held, 0), first})]
        newest = [quotes.t[row], quotes.seq[row], quotes.epoch[row], quotes.bid[row] + quotes.ask[row]]
        self._kept = np.column_stack((stay, newest))

    def _keep(self, mids: Ints, end: int) -> None:
        """Of the mids so far: the last one up to the full minute, the first of the epoch, the last."""
        last = mids.shape[1] - 1
        if last < 0:
            return
        held = int(mids[_T].searchsorted((end - 1) // RECENTRE * RECENTRE, "right")) - 1
        first = int(mids[_EPOCH].searchsorted(mids[_EPOCH][-1], "left"))
        self._kept = mids[:, sorted({max(held, 0), first, last})]

    def state(self) -> State:
        return {"kind": "band centres", "version": 1, "kept": self._kept.copy()}

    def restore(self, state: State) -> None:
        check_state(state, "band centres", 1)
        self._kept = np.array(state["kept"], np.int64).reshape(4, -1)


def _two_sided(quotes: Quotes) -> Bools:
    has_mid: Bools = quotes.valid & (quotes.bid != NO_BID) & (quotes.ask != NO_ASK)
    return has_mid


def _mids(quotes: Quotes) -> Ints:
    some = _two_sided(quotes)
    columns = (quotes.t, quotes.seq, quotes.epoch, quotes.bid + quotes.ask)
    return np.stack([column[some] for column in columns])


class BandFlow:
    """Net change of size within `bps` of the band's centre. Fields: `side:W`, side +1 (bids) or -1 (asks), W in ns.

    Known where the book had a mid at some time of (t - W, t]. All changes within the band count, also those of a
    book that is crossed for a moment: they add up to what rests there now minus what did before.
    """

    def __init__(self, instrument: Instrument, bps: Fraction) -> None:
        amount = Fraction(instrument.lot) * Fraction(instrument.contract)
        self._amount = amount
        self._bps = bps
        self._centres = BandCentres()
        self._seen = BookSeen()
        self._sums = Sums(2)  # gained by the bids, by the asks
        self._longest = 0

    def update(self, batch: Batch) -> None:
        quotes, changes = batch.quotes, batch.changes
        if not len(quotes) and (changes is None or not len(changes)):
            return
        self._seen.update(quotes, _two_sided(quotes))
        if changes is None:
            return
        twice = self._centres.of(changes, quotes, batch.end)
        gained = changes.after - changes.before
        inside = (twice > 0) & (gained != 0)
        inside[inside] = self._within(changes.side[inside], changes.px[inside], twice[inside])
        if inside.any():
            gained, bids = gained[inside], changes.side[inside] > 0
            bound = len(gained) * int(np.abs(gained).max())
            self._sums.append(changes.t[inside], (gained * bids, gained * ~bids), (bound, bound))

    def _within(self, side: Ints, px: Ints, twice: Ints) -> Bools:
        if not len(twice):
            return np.empty(0, np.bool_)
        one = twice[0] == twice[-1] and bool((twice == twice[0]).all())  # nearly always
        centres, index = (twice[:1], 0) if one else np.unique(twice, return_inverse=True)
        limits = np.array([[limit_within(mid, s, self._bps) for mid in centres.tolist()] for s in (1, -1)], np.int64)
        inside: Bools = np.where(side > 0, px >= limits[0][index], px <= limits[1][index])
        return inside

    def sample(self, field: str, times: Ints) -> Floats:
        side, _, text = field.partition(":")
        window = int(text)
        self._longest = max(self._longest, window)
        self._seen.keep(window)
        out = np.full(len(times), np.nan)
        known = self._seen.within(times, window)
        if known.any():
            lots = self._sums.window(times[known], window).sum(0 if int(side) > 0 else 1)
            out[known] = quotients(lots, self._amount.numerator, self._amount.denominator)
        return out

    def advance(self, t: int) -> None:
        self._sums.forget(t - self._longest)
        self._seen.advance(t)

    def state(self) -> State:
        return {
            "kind": "band flow",
            "version": 1,
            "centres": self._centres.state(),
            "seen": self._seen.state(),
            "sums": self._sums.state(),
            "longest": self._longest,
        }

    def restore(self, state: State) -> None:
        check_state(state, "band flow", 1)
        self._centres.restore(state["centres"])
        self._seen.restore(state["seen"])
        self._sums.restore(state["sums"])
        self._longest = max(self._longest, state["longest"])


def _bind(side: str, bps: float, window: int) -> Bound:
    within = positive_bps(bps)
    return Bound(
        share=("band_flow", within),
        make=lambda context: BandFlow(context.instrument, within),
        field=f"{book_side(side)}:{window}",
        changes=True,
        needs_book=True,
    )


SPECS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="band_flow",
        params=(
            Param("side", "side", None, "bid or ask; an order's side too: buy takes asks, sell takes bids"),
            Param("X", "bps", "10bps", "width of the band, from its centre outwards"),
            Param("W", "window", "10s", "look back over (t - W, t]"),
        ),
        unit="base",
        meaning="what a side gained (or lost) within X of the mid, by price and not by rank; the band is set at each "
        "snapshot and re-centred on full minutes, which is no flow",
        warmup="from the first valid book on; covers what was valid of W",
        bind=_bind,
        group="ofi",
    ),
)
