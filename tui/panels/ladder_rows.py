"""Rows of the depth ladder as plain data: which columns fit, what each price says, and how it is painted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.instrument import Instrument
from engine.view import LadderRow, LadderView, MarketView
from tui.panels import format as fmt
from tui.panels.base import Role, Runs
from tui.panels.glyphs import Glyphs

SIZE = 6  # cells of a size
#: 1-2-5 steps of price grouping, in ticks.
GROUPS = tuple(step * 10**power for power in range(9) for step in (1, 2, 5))


class Columns(NamedTuple):
    """Widths of the columns; 0: not shown."""

    price: int
    bar: int  # of each side
    traded: int  # sold, bought
    volume: int
    profile: int  # bar of the volume at price


class PriceRow(NamedTuple):
    """Key of one price: all that decides how its row looks."""

    px: int
    bid: str
    ask: str
    sold: str
    bought: str
    volume: str
    bid_halves: int
    ask_halves: int
    profile_halves: int
    wall: bool
    mark: str  # left of the price: last trade
    place: str  # right of the price: best level, point of control
    side: int  # +1 at or below the best bid, -1 at or above the best ask, 0 between


class SpreadRow(NamedTuple):
    """Key of the line between the two sides."""

    text: str


def columns_for(width: int, price_width: int) -> Columns:
    """Which columns fit: below about 47 cells only sizes and bars, then what traded, then volume at price."""
    spare = width - (price_width + 2 * SIZE + 4)
    traded = SIZE + 1 if spare >= 2 * (SIZE + 1) + 6 else 0
    spare -= 2 * traded
    volume = SIZE + 1 if traded and spare >= SIZE + 1 + 10 else 0
    spare -= volume
    profile = min(16, spare - 20) if volume and spare >= 26 else 0
    return Columns(price_width, max(0, min(20, (spare - profile) // 2)), traded, volume, profile)


def starting_group(mid: int) -> int:
    """Ticks a row holds at first: about a tenth of a basis point, from the 1-2-5 steps."""
    return max((step for step in GROUPS if step * 100_000 <= mid), default=1)


def bar_scale(rows: Sequence[LadderRow], scale: int) -> int:
    """Lots that a full bar stands for: a round number that holds nine sizes of ten.

    Walls beyond it are cut (and marked), or one of them would flatten everything else. The scale in use
    stays while it is neither too small nor more than three times too large, so that bars do not all jump.
    """
    sizes = sorted(size for row in rows for size in (row.bid, row.ask) if size)
    if not sizes:
        return scale
    wanted = sizes[min(len(sizes) - 1, len(sizes) * 9 // 10)]
    return scale if wanted <= scale <= 3 * wanted else max(1, round(fmt.nice_above(wanted)))


def ladder_rows(
    view: MarketView, columns: Columns, height: int, scale: int, glyphs: Glyphs
) -> list[PriceRow | SpreadRow]:
    """Keys of the ladder, highest price first, with the spread between the two sides (shape: at most `height`)."""
    ladder, instrument = view.ladder, view.instrument
    bid, ask, group = ladder.best_bid, ladder.best_ask, ladder.group
    best_bid = bid // group * group if bid is not None else None
    best_ask = -(-ask // group) * group if ask is not None else None
    poc = ladder.poc // group * group if ladder.poc is not None else None
    last = view.tape[0] if view.tape else None
    last_px = None
    if last is not None:
        last_px = -(-last.px // group) * group if last.side > 0 else last.px // group * group
    most = max((row.sold + row.bought for row in ladder.rows), default=0)
    shown: list[PriceRow | SpreadRow] = []
    spread_at = _spread_index(ladder, best_bid, best_ask)
    room = height - (spread_at is not None)
    for index, row in enumerate(ladder.rows[:room]):
        if index == spread_at:
            shown.append(SpreadRow(spread_text(view)))
        side = 0
        if best_bid is not None and row.px <= best_bid:
            side = 1
        elif best_ask is not None and row.px >= best_ask:
            side = -1
        bid_text = _side_text(row.bid, ladder.known_low is not None and row.px < ladder.known_low, instrument, glyphs)
        ask_text = _side_text(row.ask, ladder.known_high is not None and row.px > ladder.known_high, instrument, glyphs)
        volume = row.sold + row.bought
        place = " "
        if row.px == best_bid:
            place = glyphs.best_bid
        elif row.px == best_ask:
            place = glyphs.best_ask
        elif row.px == poc:
            place = glyphs.poc
        mark = row.held_by or " "  # in a composite: who has most of what rests here
        if row.px == last_px and last is not None:
            mark = glyphs.up if last.side > 0 else glyphs.down if last.side < 0 else glyphs.dot
        shown.append(
            PriceRow(
                px=row.px,
                bid=bid_text,
                ask=ask_text,
                sold=_amount(row.sold, instrument) if columns.traded else "",
                bought=_amount(row.bought, instrument) if columns.traded else "",
                volume=_amount(volume, instrument) if columns.volume else "",
                bid_halves=fmt.bar_halves(row.bid / scale, columns.bar),
                ask_halves=fmt.bar_halves(row.ask / scale, columns.bar),
                profile_halves=fmt.bar_halves(volume / most, columns.profile) if most else 0,
                wall=max(row.bid, row.ask) > 2 * scale,
                mark=mark,
                place=place,
                side=side,
            )
        )
    return shown


def _spread_index(ladder: LadderView, best_bid: int | None, best_ask: int | None) -> int | None:
    """Index of the row before which the spread line stands: the middle of the gap; None when it is out of sight."""
    if best_bid is None or best_ask is None or not ladder.rows:
        return None
    below = (best_bid + best_ask) // 2
    for index, row in enumerate(ladder.rows):
        if row.px <= max(below, best_bid):
            return index if index or row.px == best_bid else None
    return None


def _amount(lots: int, instrument: Instrument) -> str:
    return fmt.size(instrument.amount(lots), SIZE) if lots else " " * SIZE


def _side_text(lots: int, beyond: bool, instrument: Instrument, glyphs: Glyphs) -> str:
    """A resting size; beyond the known depth a dot, or the known part with a plus."""
    if beyond:
        return fmt.size(instrument.amount(lots), SIZE - 1) + "+" if lots else fmt.right(glyphs.unknown, SIZE)
    return _amount(lots, instrument)


def spread_text(view: MarketView) -> str:
    """Spread in price and basis points, and the mid."""
    bid, ask = view.ladder.best_bid, view.ladder.best_ask
    if bid is None or ask is None:
        return "one side of the book is empty"
    digits = view.instrument.price_digits
    mid = view.instrument.price(bid + ask) / 2
    spread = fmt.price(view.instrument.price(abs(ask - bid)), digits)
    # Only the books of several venues can overlap: one that crosses itself is never shown.
    name = "spread" if bid < ask else "venues overlap by"
    bps = fmt.size(abs(ask - bid) / (ask + bid) * 2e4).strip()
    return f"{name} {spread}  {bps} bps  mid {fmt.price(mid, digits + 1)}"


def paint_price(key: PriceRow, columns: Columns, instrument: Instrument, glyphs: Glyphs) -> Runs:
    """sold | bar bid | price | ask bar | bought | volume: the price in the colour of its side, or the last taker's."""
    gap = " " if columns.traded else ""
    sold = key.sold + gap
    after = gap + key.bought + (" " + key.volume if columns.volume else "")
    after += fmt.bar(key.profile_halves / (2 * columns.profile), columns.profile, glyphs) if columns.profile else ""
    price = key.mark + instrument.price_text(key.px).rjust(columns.price) + key.place
    bid_bar = fmt.bar(key.bid_halves / (2 * columns.bar), columns.bar, glyphs, rightwards=False) if columns.bar else ""
    ask_bar = fmt.bar(key.ask_halves / (2 * columns.bar), columns.bar, glyphs) if columns.bar else ""
    bid_role: Role = "large" if key.wall and key.bid_halves > key.ask_halves else "bid"
    ask_role: Role = "large" if key.wall and key.ask_halves > key.bid_halves else "ask"
    middle: Runs
    if key.mark in (glyphs.up, glyphs.down):
        flash: Role = "flash-up" if key.mark == glyphs.up else "flash-down"
        middle = ((bid_role, key.bid + " "), (flash, price), (ask_role, " " + key.ask))
    elif key.side > 0:
        middle = ((bid_role, key.bid + " " + price), ("ask", " " + key.ask))
    elif key.side < 0:
        middle = (("bid", key.bid + " "), (ask_role, price + " " + key.ask))
    else:
        middle = (("dim", key.bid + " " + price + " " + key.ask),)
    return (("dim", sold), ("bid-bar", bid_bar), *middle, ("ask-bar", ask_bar), ("dim", after))


def label_row(columns: Columns) -> Runs:
    """The names of the columns, in the places of paint_price."""
    gap = " " if columns.traded else ""
    text = fmt.right("sold", SIZE) + gap if columns.traded else ""
    text += fmt.right("bid", columns.bar + SIZE) + " " + fmt.right("price", columns.price + 1) + "  "
    text += fmt.right("ask", SIZE) + " " * columns.bar
    text += gap + fmt.right("bought", SIZE) if columns.traded else ""
    text += " " + fmt.right("volume", SIZE) if columns.volume else ""
    return (("dim", text),)
