"""The checksum rule: nothing that it does not prove is let through."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kraken.book_rule import KrakenBook
from connectors.kraken.messages import Book, decode
from connectors.live.wire import Broken, Step, Update
from engine.codes import Reason
from engine.instrument import Instrument
from tests.connectors.kraken.wire import VenueBook, checksum, frame

INSTRUMENT = Instrument("kraken", "BTC/USD", Decimal("0.1"), Decimal("0.00000001"))
# The worked example of the documentation (book-checksum-v2): ten levels a side and what they come to.
BIDS = (
    "45283.5 0.10000000, 45283.4 1.54582015, 45282.1 0.10000000, 45281.0 0.10000000, 45280.3 1.54592586, "
    "45279.0 0.07990000, 45277.6 0.03310103, 45277.5 0.30000000, 45277.3 1.54602737, 45276.6 0.15445238"
)
ASKS = (
    "45285.2 0.00100000, 45286.4 1.54571953, 45286.6 1.54571109, 45289.6 1.54560911, 45290.2 0.15890660, "
    "45291.8 1.54553491, 45294.7 0.04454749, 45296.1 0.35380000, 45297.5 0.09945542, 45299.5 0.18772827"
)
DOCUMENTED = 3310070434


def levels(text: str) -> list[tuple[str, str]]:
    return [(price, size) for price, size in (part.split(" ") for part in text.split(", "))]


def book(raw: bytes) -> Book:
    (message,) = decode(raw)
    assert isinstance(message, Book)
    return message


class Reader:
    """What sees the updates that the rule lets through."""

    def __init__(self, depth: int, instrument: Instrument = INSTRUMENT) -> None:
        self.rule = KrakenBook(instrument, depth)
        self.bids: dict[Decimal, float] = {}
        self.asks: dict[Decimal, float] = {}
        self.known: tuple[Decimal, Decimal] | None = None  # the worst bid and ask of the last snapshot given on
        self.snapshots = 0

    def take(self, raw: bytes) -> Step | Broken | None:
        verdict = self.rule.take(book(raw))
        if isinstance(verdict, Step | Broken):
            return verdict
        for update in verdict:
            self._apply(update)
        return None

    def _apply(self, u: Update) -> None:
        if u.snapshot:
            self.bids, self.asks = {}, {}
            self.snapshots += 1
            self.known = min(Decimal(p) for p, _ in u.bids), max(Decimal(p) for p, _ in u.asks)
        for side, changes in ((self.bids, u.bids), (self.asks, u.asks)):
            for price, size in changes:
                if size:
                    side[Decimal(price)] = size
                else:
                    side.pop(Decimal(price), None)

    def is_at(self, venue: VenueBook) -> bool:
        bids, asks = venue.seen
        return self.bids == {p: float(s) for p, s in bids.items()} and self.asks == {
            p: float(s) for p, s in asks.items()
        }


def test_the_example_of_the_documentation() -> None:
    reader = Reader(10)
    assert reader.take(frame("snapshot", levels(BIDS), levels(ASKS), DOCUMENTED)) is None
    assert reader.rule.synced
    assert len(reader.bids) == len(reader.asks) == 10


@pytest.mark.parametrize("check", [DOCUMENTED - 1, DOCUMENTED ^ 1, 0, (1 << 32) - 1])
def test_a_wrong_checksum_breaks_the_book_and_shows_nothing(check: int) -> None:
    reader = Reader(10)
    assert reader.take(frame("snapshot", levels(BIDS), levels(ASKS), check)) == Broken(Reason.BAD_CHECKSUM)
    assert not reader.rule.synced
    assert not reader.bids


def test_every_digit_of_the_ten_best_levels_counts() -> None:
    for old in re.findall(r"[1-9]", BIDS):
        changed = BIDS.replace(old, str(int(old) % 9 + 1), 1)
        assert Reader(10).take(frame("snapshot", levels(changed), levels(ASKS), DOCUMENTED)) is not None


def test_digits_are_padded_to_the_decimals_of_the_instrument_and_exponents_written_out() -> None:
    short = [(price.rstrip("0").rstrip("."), size.rstrip("0").rstrip(".")) for price, size in levels(BIDS)]
    odd = [(price, f"{Decimal(size) * 1000:.5f}e-3") for price, size in levels(ASKS)]
    assert Reader(10).take(frame("snapshot", short, odd, DOCUMENTED)) is None


def test_a_delta_before_any_snapshot_means_nothing() -> None:
    venue, reader = VenueBook(10), Reader(10)
    assert reader.take(venue.update()) is Step.WAIT
    assert reader.take(venue.snapshot()) is None
    assert reader.is_at(venue)
    reader.rule.reset()
    assert not reader.rule.synced
    assert reader.take(venue.update()) is Step.WAIT


def test_levels_beyond_the_depth_are_deleted_though_the_venue_never_says_so() -> None:
    venue, reader = VenueBook(10, seed=4), Reader(10)
    reader.take(venue.snapshot())
    for _ in range(400):
        assert reader.take(venue.update()) is None
        assert reader.is_at(venue)
        assert len(reader.bids) <= 10


def test_several_changes_of_one_price_in_a_message_count_in_their_order() -> None:
    reader = Reader(10)
    reader.take(frame("snapshot", levels(BIDS), levels(ASKS), DOCUMENTED))
    first, *others = levels(BIDS)
    check = checksum(
        {Decimal(p): Decimal(s) for p, s in [(first[0], "7.00000000"), *others]},
        {Decimal(p): Decimal(s) for p, s in levels(ASKS)},
        1,
        8,
    )
    twice = [(first[0], "3.00000000"), (first[0], "0"), (first[0], "7.00000000")]
    assert reader.take(frame("update", twice, [], check)) is None
    assert reader.bids[Decimal(first[0])] == 7.0


def test_an_empty_side_is_a_book_too() -> None:
    reader = Reader(10)
    (message,) = decode(frame("snapshot", [], [], 0))
    assert isinstance(message, Book)
    assert isinstance(reader.rule.take(message), list)
    assert reader.rule.synced


def test_a_snapshot_in_between_replaces_the_book() -> None:
    venue, reader = VenueBook(25, seed=2), Reader(25)
    reader.take(venue.snapshot())
    for _ in range(30):
        venue.update()  # lost
    assert reader.take(venue.snapshot()) is None
    assert reader.is_at(venue)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    depth=st.sampled_from([10, 25, 100]),
    faults=st.lists(st.sampled_from(["", "", "", "", "drop", "twice", "digit", "snapshot"]), max_size=80),
)
def test_whenever_there_is_a_book_its_ten_best_levels_are_true(seed: int, depth: int, faults: list[str]) -> None:
    """Messages lost, repeated, with a wrong digit: what is shown passes the checksum of the moment, always."""
    venue, reader = VenueBook(depth, seed), Reader(depth)
    assert reader.take(venue.snapshot()) is None
    whole = True  # nothing has been lost since the snapshot
    for fault in faults:
        raw = venue.snapshot() if fault == "snapshot" else venue.update()
        if fault == "drop":
            whole = False
            continue
        if fault == "digit":
            at = raw.rindex(b',"timestamp"') - 1
            raw = raw[:at] + bytes([49 + (raw[at] - 48) % 9]) + raw[at + 1 :]
        seen = dict(reader.bids), dict(reader.asks)
        verdict = reader.take(raw)
        if verdict is not None:
            assert (reader.bids, reader.asks) == seen, "a message that did not pass is visible"
            whole = False
        elif fault == "snapshot":
            whole = True
        if fault == "twice":
            assert reader.take(raw) in (None, Step.WAIT)
        if reader.rule.synced:
            bids, asks = ({p: Decimal(repr(s)) for p, s in side.items()} for side in (reader.bids, reader.asks))
            assert checksum(bids, asks, 1, 8) == venue.check()
            if whole:
                assert reader.is_at(venue)


def test_the_horizon_lies_inside_what_is_known_and_follows_the_price() -> None:
    venue, reader = VenueBook(100, seed=9), Reader(100)
    reader.take(venue.snapshot())
    for _ in range(3_000):
        assert reader.take(venue.update()) is None
        bids, asks = venue.seen
        assert reader.known is not None
        # Every level of the venue between the horizons is in scope of the subscription, hence known.
        assert reader.known[0] >= min(bids)
        assert reader.known[1] <= max(asks)
    assert 1 < reader.snapshots < 300
