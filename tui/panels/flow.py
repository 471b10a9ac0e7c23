"""The numbers of the flow: price, delta, pace, VWAP and value area, each with its unit."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

from engine.duration import parse_duration
from engine.instrument import Instrument
from engine.view import EngineView, MarketView
from tui.panels import format as fmt
from tui.panels.base import Role, RowPanel, Runs

WINDOWS = ("10s", "60s", "5m", "1h")
DEFAULT = WINDOWS[1]
Shape = Literal["price", "amount", "signed", "ratio", "z", "rate", "count", "bps", "time"]
CELL = 25  # cells of one number with label and unit
LABEL, VALUE, UNIT = 10, 10, 5
COLUMN = 11  # cells of one look-back of the table
TABLE_WIDTH = 60  # from so many cells on there is a table of look-backs


class Number(NamedTuple):
    """One number: its metric, and how it is shown."""

    label: str
    metric: str
    shape: Shape
    unit: str = ""  # empty with an amount: the instrument's


def numbers(window: str) -> tuple[Number, ...]:
    """What the panel shows, most wanted first."""
    return (
        Number("last", "last", "price"),
        Number("delta", f"delta({window})", "signed"),
        Number("spread", "spread_bps", "rate", "bps"),
        Number("buys", f"buy({window})", "amount"),
        Number("CVD", "cvd", "signed"),
        Number("sells", f"sell({window})", "amount"),
        Number("VWAP", "vwap", "price"),
        Number("imbalance", f"ti({window})", "ratio"),
        Number("from VWAP", "vwap_dev", "z", "sd"),
        Number("imbal. z", f"ti_z({window})", "z", "sd"),
        Number("POC", "poc", "price"),
        Number("trades/s", f"speed({window})", "rate"),
        Number("VA high", "vah", "price"),
        Number("mean size", f"mean_size({window})", "amount"),
        Number("VA low", "val", "price"),
        Number("volume", f"volume({window})", "amount"),
    )


#: What a contract has besides; only what its venue tells is shown.
CONTRACT = (
    Number("funding", "funding_bps", "bps", "bps"),
    Number("settles", "funding_due", "time"),
    Number("basis", "basis_bps", "bps", "bps"),
    Number("open int.", "open_interest", "amount"),
    Number("OI 1h", "oi_change(1h)", "signed"),
    Number("liq. 1h", "liquidations(1h)", "amount"),
    Number("liq. net", "liq_delta(1h)", "signed"),
    Number("mark", "mark", "price"),
)
_BEFORE_CONTRACT = 8  # numbers of the flow that go before those of the contract


def told(view: MarketView, shown: tuple[Number, ...]) -> tuple[Number, ...]:
    """The numbers with those of the contract that are known among them."""
    if view.instrument.kind == "spot":
        return shown
    known = tuple(number for number in CONTRACT if fmt.known(view.metrics.get(number.metric)))
    return shown[:_BEFORE_CONTRACT] + known + shown[_BEFORE_CONTRACT:]


def table_numbers(window: str) -> tuple[Number, ...]:
    """What the table shows of a look-back, top first."""
    return (
        Number("delta", f"delta({window})", "signed"),
        Number("buys", f"buy({window})", "amount"),
        Number("sells", f"sell({window})", "amount"),
        Number("imbalance", f"ti({window})", "ratio"),
        Number("trades/s", f"speed({window})", "rate"),
    )


def beside_table(window: str) -> tuple[Number, ...]:
    """The numbers that the table does not have."""
    shown = {number.metric for number in table_numbers(window)}
    return tuple(number for number in numbers(window) if number.metric not in shown)


def has_table(width: int, height: int) -> bool:
    """Whether a table of look-backs fits below the other numbers."""
    rows = -(-len(beside_table(DEFAULT)) // max(1, width // CELL))
    return width >= TABLE_WIDTH and height >= rows + 1 + len(table_numbers(DEFAULT))


def coverage(view: MarketView, window: str) -> str:
    """A look-back's name, with how much of it the tape holds where that is less: `5m (2:10)`."""
    begun = [view.since[n.metric] for n in table_numbers(window) if n.metric in view.since]
    begun += [] if view.began is None else [view.began]
    held = max(0, view.t - max(begun)) if begun else 0
    if held >= parse_duration(window):
        return window
    seconds = held // fmt.NS
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{window} ({hour}:{minute:02d}:{second:02d})" if hour else f"{window} ({minute}:{second:02d})"


def table_rows(view: MarketView) -> list[Runs]:
    """Several look-backs side by side: a row of their names and one of each number."""
    head = "".join(fmt.right(coverage(view, window), COLUMN) for window in WINDOWS)
    rows: list[Runs] = [(("dim", fmt.left(" look-back", LABEL) + head),)]
    columns = [table_numbers(window) for window in WINDOWS]
    for across in zip(*columns, strict=True):
        runs: list[tuple[Role, str]] = [("text", fmt.left(" " + across[0].label, LABEL))]
        for number in across:
            value = view.metrics.get(number.metric)
            runs.append((role_of(number, value), fmt.right(value_text(number, value, view.instrument), COLUMN)))
        if across[0].shape in ("amount", "signed"):
            runs.append(("text", " " + fmt.foreign(view.instrument.unit, UNIT - 1)))
        rows.append(tuple(runs))
    return rows


def windows(own: str) -> tuple[str, ...]:
    """WINDOWS and the user's own one, by length; of two texts that mean the same the user's."""
    return tuple(text for _, text in sorted(({parse_duration(w): w for w in (*WINDOWS, own)}).items()))


def metrics(own: str = DEFAULT) -> tuple[str, ...]:
    """Metrics of every window, so that a longer one is not empty when it is chosen."""
    return tuple(dict.fromkeys(number.metric for window in windows(own) for number in numbers(window)))


def value_text(number: Number, value: float | None, instrument: Instrument) -> str:
    """The value in VALUE cells."""
    match number.shape:
        case "price":
            return fmt.price(value, instrument.price_digits, VALUE)
        case "signed":
            return fmt.signed(value, VALUE)
        case "ratio":
            return fmt.ratio(value, VALUE)
        case "z":
            return fmt.ratio(value, VALUE, 1) if value is None or abs(value) < 1e6 else fmt.signed(value, VALUE)
        case "bps":
            return fmt.ratio(value, VALUE)
        case "time":
            return fmt.countdown(value, VALUE)
        case _:
            return fmt.size(value, VALUE)


def role_of(number: Number, value: float | None) -> Role:
    """Signed numbers have the colour of their side; the sign stands there too."""
    if value is None or not fmt.known(value):
        return "dim"
    if number.shape in ("signed", "ratio") or number.label == "imbal. z":
        return "buy" if value > 0 else "sell" if value < 0 else "text"
    return "text"


def flow_rows(view: MarketView, window: str, width: int, height: int) -> list[Runs]:
    """The numbers in as many columns of CELL cells as fit, filled row by row; below them, where it fits, the table."""
    instrument = view.instrument
    across = max(1, width // CELL)
    table = table_rows(view) if has_table(width, height) else []
    shown = told(view, beside_table(window) if table else numbers(window))
    shown = shown[: across * max(0, height - len(table))]
    unit_of_amounts = fmt.foreign(instrument.unit, UNIT - 1)
    rows: list[Runs] = []
    for start in range(0, len(shown), across):
        runs: list[tuple[Role, str]] = []
        for number in shown[start : start + across]:
            value = view.metrics.get(number.metric)
            unit = number.unit or (unit_of_amounts if number.shape in ("amount", "signed") else "")
            text = value_text(number, value, instrument)
            role = role_of(number, value)
            cell = fmt.left(" " + number.label, LABEL)
            tail = fmt.left(" " + unit, UNIT)
            if number.metric in view.warmed and fmt.known(value):
                cell, text = fmt.from_bars(cell, text)
                role = "dim"
            if role == "text":
                runs.append(("text", cell + text + tail))
            else:
                runs += [("text", cell), (role, text), ("text", tail)]
        rows.append(tuple(runs))
    return [*rows, *table]


class Flow(RowPanel):
    """Compact numbers for one window."""

    TITLE = "FLOW"
    CHANNEL = "trades"
    HZ = 5.0

    def __init__(self, *, id: str | None = None, classes: str | None = None, window: str = DEFAULT) -> None:
        super().__init__(id=id, classes=classes)
        self._windows = windows(window)
        self.window = window

    @property
    def metrics(self) -> tuple[str, ...]:
        """Keys for the window in use, and of the look-backs of the table when there is room for it."""
        asked = numbers(self.window) + CONTRACT
        if has_table(self.size.width, self.size.height - 1):
            asked += tuple(number for window in WINDOWS for number in table_numbers(window))
        return tuple(dict.fromkeys(number.metric for number in asked))

    def shift_window(self, by: int) -> None:
        """A shorter (negative) or longer window, out of WINDOWS and the user's own."""
        at = self._windows.index(self.window) + by
        self.window = self._windows[max(0, min(len(self._windows) - 1, at))]
        self.update_rows()

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """The window, and what is known to be missing."""
        holes = f", {fmt.count(view.holes)} trades missing" if view.holes else ""
        return (("dim", f"last {self.window}, session{holes}"),)

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """Whether any number is known."""
        if any(fmt.known(view.metrics.get(key)) for key in self.metrics):
            return None
        if view.trades.state == "NONE":
            return "this source carries no trades"
        return f"no data yet: {fmt.foreign(view.trades.reason) or 'waiting for the first trade'}"

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """See `flow_rows`."""
        return flow_rows(view, self.window, width, height)
