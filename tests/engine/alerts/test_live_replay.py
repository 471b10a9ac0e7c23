"""What fires live is what fires in a replay, byte for byte: on real captures and on the simulated market."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import pytest

from connectors.archives import open_archive
from connectors.simulator.feed import SimulatedArchive
from engine.alerts.presets import PRESETS, preset_rules
from engine.alerts.roster import Roster
from engine.alerts.rule import Rule, compile_rule
from engine.feed import Chunk, Sink
from engine.instrument import Instrument
from engine.market import Market
from engine.tape import Channel, Flag, Kind, Reason, Rows, Trust
from tests.real_data import data_file
from tui.commands.alerts import event_line

#: Of the simulated market; an hour or more also takes all captures.
SIMULATED_MINUTES = float(os.environ.get("FLOWTAPE_ALERT_MINUTES", "2"))
START = 1_735_732_800_000_000_000
CAPTURES = {
    "usdm pair": ("usdm_ethusdt_20240718.gz", "usdm_ethusdt_20240719.gz"),
    "usdm": ("usdm_ethusdt_20240808.gz",),
    "spot pair": ("spot_ethusdt_20240808.gz", "spot_ethusdt_20240809.gz"),
    "coin pair": ("cm_ethusd_perp_20240808.gz", "cm_ethusd_perp_20240809.gz"),
}
#: Every form of the language, at levels that are met within minutes.
TEXTS = (
    ("abs(ti_z(10s)) >= 3", {"rearm": "1", "message": "{value} against {level}, {pctl} at {mid}"}),
    ("abs(imbalance(5)) >= 0.8", {"hold": "1s", "rearm": "0.4", "keep_firing_for": "500ms"}),
    ("last crosses vwap", {"cooldown": "10s"}),
    ("mid crosses up max(mid,1m)", {"hold": "300ms"}),
    ("imbalance_tw(5,3s) exits [-0.5, 0.5]", {"rearm": "imbalance_tw(5,3s) inside [-0.3, 0.3]"}),
    ("last moves by 0.03% within 20s", {"repeat": "5s"}),
    ("count(abs(ofi(1s)) > 0.4, 30s) >= 5", {"rearm": "3"}),
    ("delta(5s) > 0 then spread_bps > 1.1 * min(spread_bps,1m) within 5s", {}),
    ("trades absent for 700ms", {}),
    ("slip(buy,100k) > 120% * min(slip(buy,100k),1m) and not (volume(2s) < 10)", {"hold": "200ms"}),
    ("vpin(adv/20000,10) >= 0.6", {"rearm": "0.4"}),
    ("sweep(2s) > 80% * max(sweep(2s),2m)", {}),
)


def rules() -> list[Rule]:
    own = [compile_rule(f"rule {i}", when, **more) for i, (when, more) in enumerate(TEXTS)]
    return [*preset_rules(list(PRESETS)), *own]


class Told:
    """Markets that are watched, and what they tell as lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.kinds: list[tuple[str, str]] = []
        self._roster = Roster(rules(), lambda *said: pytest.fail(str(said)))
        self._roster.listen(self._told)
        self.markets: dict[str, Market] = {}

    def _told(self, event: object) -> None:
        self.lines.append(event_line(event))
        self.kinds.append((event.kind, event.rule))  # type: ignore[attr-defined]

    def market(self, instrument: Instrument) -> Market:
        if instrument.market not in self.markets:
            self.markets[instrument.market] = market = Market(instrument, day_lots=instrument.lots("100000"))
            self._roster.attach(market)
        return self.markets[instrument.market]


def messages(rows: Rows) -> Iterator[Rows]:
    """Rows cut into messages."""
    ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
    for start, stop in pairwise([0, *ends.tolist()]):
        yield rows[start:stop]


def push(sink: Sink, instrument: Instrument, message: Rows) -> None:
    """One message the way a live connector says it."""
    first = message[0]
    recv, ts, number, aux = (int(first[name]) for name in ("recv", "ts", "id", "aux"))
    match Kind(int(first["kind"])):
        case Kind.TRADE:
            for row in message:
                px, size = (
                    instrument.price_text(int(row["px"])).replace(",", ""),
                    repr(instrument.wire_size(int(row["qty"]))),
                )
                flags = int(row["flags"]) & ~Flag.LAST
                sink.trade(int(row["recv"]), int(row["ts"]), int(row["id"]), px, size, int(row["side"]), flags)
        case Kind.LEVEL | Kind.SNAPSHOT:
            sides: dict[int, list[tuple[str, float]]] = {1: [], -1: []}
            for row in message[message["kind"] == Kind.LEVEL]:
                px = instrument.price_text(int(row["px"])).replace(",", "")
                sides[int(row["side"])].append((px, instrument.wire_size(int(row["qty"]))))
            tell = sink.snapshot if first["kind"] == Kind.SNAPSHOT else sink.book
            tell(recv, ts, number, sides[1], sides[-1])
        case Kind.STATUS:
            trust, reason = Trust(aux & 0xFF), Reason(aux >> 8)
            sink.status(recv, ts, Channel(int(first["channel"])), trust, reason, int(first["qty"]))
        case Kind.HOLE:
            sink.hole(recv, ts, number, int(first["qty"]))
        case Kind.CLOCK:
            sink.clock(recv, ts)
        case Kind.DAY_VOLUME:
            sink.day_volume(recv, ts, str(instrument.lot * int(first["qty"])))
        case other:
            raise AssertionError(other)


def both_ways(chunks: Iterable[Chunk], seed: int) -> tuple[Told, Told]:
    """(replayed in the chunks of the archive, live message by message with flushes at random)."""
    rng = random.Random(seed)
    replayed, live = Told(), Told()
    for chunk in chunks:
        replayed.market(chunk.instrument).apply(chunk.rows)
        market = live.market(chunk.instrument)
        for message in messages(chunk.rows):
            push(market, chunk.instrument, message)
            if rng.random() < 0.05:
                market.flush()
    for told in (replayed, live):
        for market in told.markets.values():
            market.finish()
    return replayed, live


def check(replayed: Told, live: Told, least_rules: int) -> None:
    by_market = [sorted(told.lines) if len(told.markets) > 1 else told.lines for told in (replayed, live)]
    assert by_market[0] == by_market[1]
    fired = {rule for kind, rule in replayed.kinds if kind == "fired"}
    assert len(fired) >= least_rules, fired


@pytest.mark.parametrize("name", CAPTURES if SIMULATED_MINUTES >= 60 else ["usdm"])
def test_on_a_real_capture(name: str) -> None:
    files = [data_file(f"binance_raw/{file}") for file in CAPTURES[name]]
    check(*both_ways(open_archive(files).chunks(lambda *_: None), seed=len(name)), least_rules=8)


def test_on_the_simulated_market() -> None:
    archive = SimulatedArchive(["BTC/USDT"], duration_ns=int(SIMULATED_MINUTES * 60e9), start_ns=START)
    check(*both_ways(archive.chunks(lambda *_: None), seed=1), least_rules=9)
