"""How much the price moves, and what that means for a position that the user has entered."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from tui.panels import format as fmt
from tui.panels.base import Role, RowPanel, Runs
from tui.panels.lines import LABEL, Line, block, bps_text, keys_of, no_data

if TYPE_CHECKING:
    from engine.detail_view import PositionView, ShockView
    from engine.position import Position
    from engine.view import EngineView, MarketView
    from tui.panels.glyphs import Glyphs

FORECAST, SKILL = "vol_forecast(7d)", "vol_skill(7d)"
LINES: tuple[Line, ...] = (
    Line("realised 5m", ("rv(5m)",), "share", "a year"),
    Line("realised 1h", ("rv(1h)",), "share", "a year"),
    Line("EWMA 5m", ("ewma_vol(5m)",), "share", "a year"),
    Line("next 5 min", (FORECAST,), "share", "a year"),
    Line("jump share", ("jump(1h)",), "share", "of 100%", "of the variance of 1 h"),
    Line("day sigma", ("day_sigma",), "number", "bps"),
    Line("VaR 5m 99%", ("var(5m,0.99,historical,1d,long)",), "number", "bps", "a fall, in the last day"),
    Line("ES 5m 99%", ("es(5m,0.99,historical,1d,long)",), "number", "bps", "mean of the falls beyond"),
    Line("drawdown 1h", ("drawdown(1h)",), "share", "of 100%"),
    Line("noise", ("signature(1h)",), "ratio", "", "above 1.5: bounce, read rv_5s"),
)
METRICS = (*keys_of(LINES), SKILL)
NO_POSITION = "no position: press P to enter one"


def model_text(view: MarketView) -> str:
    """Which model the forecast is of."""
    skill = view.metrics.get(SKILL)
    if skill is None or not fmt.known(skill):
        return "EWMA; HAR is not scored yet"
    return f"HAR, skill {fmt.fixed(skill, 6, 3).strip()}" if skill > 0 else "EWMA: HAR did not beat it"


def volatility_rows(view: MarketView, glyphs: Glyphs) -> list[Runs]:
    """The lines, the forecast with the model it is of."""
    lines = [line._replace(note=model_text(view)) if line.metrics[0] == FORECAST else line for line in LINES]
    return block(view, lines, glyphs)


def position_rows(held: PositionView, digits: int, glyphs: Glyphs) -> list[Runs]:
    """Profit, liquidation, value at risk and shocks."""
    position, money = held.position, fmt.foreign(held.currency, 6)
    side: Role = "buy" if position.side > 0 else "sell"
    word = "LONG" if position.side > 0 else "SHORT"

    def row(label: str, text: str, role: Role = "text") -> Runs:
        return (("text", fmt.left(" " + label, LABEL)), (role, text))

    gain: Role = "text" if not held.profit or not fmt.known(held.profit) else "buy" if held.profit > 0 else "sell"
    rows: list[Runs] = [
        (
            (side, f" {word} {fmt.size(abs(position.size)).strip()}"),
            ("dim", f" at {fmt.price(position.entry, digits)}, margin {fmt.size(position.margin).strip()} {money}"),
        ),
        row("profit", f"{fmt.signed(held.profit, 9)} {money}", gain),
    ]
    if held.liquidation is None:
        rows.append(row("liquidation", "at no price"))
    else:
        rows.append(row("liquidation", f"{fmt.price(held.liquidation, digits, 9)} {glyphs.dot} {_distance(held)}"))
    rows.append(row("VaR 5m 99%", f"{fmt.size(held.loss, 9)} {money}"))
    rows.append(row("exit cost", f"{fmt.size(held.exit_cost, 9)} {money}, at market with fee"))
    rows.append(row("VaR and exit", f"{fmt.size(held.total, 9)} {money}"))
    rows += [_shock_row(shock, money) for shock in held.shocks]
    return rows


def _distance(held: PositionView) -> str:
    sigma = "" if held.distance_sigma is None else f", {fmt.fixed(held.distance_sigma, 6, 1).strip()} day sigma"
    return f"{bps_text(held.distance_bps, 9).strip()} bps{sigma}"


def _shock_row(shock: ShockView, money: str) -> Runs:
    label = fmt.left(f" move {fmt.ratio(shock.shock * 100, 4, 0).strip()}%", LABEL)
    role: Role = "text" if shock.holds else "alert"
    word = "holds" if shock.holds else "LIQUIDATED"
    return (("text", label), (role, f"{fmt.signed(shock.equity, 9)} {money} left, {word}"))


def risk_rows(view: MarketView, width: int, height: int, glyphs: Glyphs) -> list[Runs]:
    """Volatility, then the position; of a position on a low panel the last lines of volatility give way."""
    rows = volatility_rows(view, glyphs)
    if view.position is None:
        return [*rows[: max(0, height - 1)], (("dim", f" {NO_POSITION}"),)][: max(0, height)]
    own = position_rows(view.position, view.instrument.price_digits, glyphs)
    room = max(min(4, height), height - len(own))
    return [*rows[:room], *own][: max(0, height)]


class Risk(RowPanel):
    """Volatility and the user's position; `position_of` gives that of a market."""

    TITLE = "RISK"
    CHANNEL = "book"
    HZ = 2.0
    METRICS = METRICS

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        position_of: Callable[[str], Position | None] = lambda _: None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.position_of = position_of

    def request_for(self, market: str) -> Mapping[str, Position | None]:
        """The position in this market."""
        return {"position": self.position_of(market)}

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """What is shown."""
        return (("dim", "volatility a year" if view.position is None else "volatility and your position"),)

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """See `no_data`."""
        return no_data(view, "book", "order book")

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """See `risk_rows`."""
        return risk_rows(view, width, height, self._glyphs)
