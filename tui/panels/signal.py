"""Where the book says the price leans, with the measured skill of each forecast; without skill, none is shown."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from engine.view import EngineView, MarketView
from tui.panels import format as fmt
from tui.panels.base import Role, RowPanel, Runs
from tui.panels.glyphs import Glyphs
from tui.panels.lines import LABEL, Line, block, keys_of, no_data, since_text, value_text, waiting_text

CAVEAT = "measured on the last 24 h; no advice"


class Forecast(NamedTuple):
    """One forecast and what tells how good it was."""

    label: str
    metric: str
    skill: str
    probability: bool  # else an expected return in bps


FORECASTS = (
    Forecast("queue", "queue_up", "queue_skill", True),
    Forecast("next 60s", "signal(60s)", "skill(60s)", True),
    Forecast("return 5s", "signal_return(5s)", "return_skill(5s)", False),
)
PRICES = (Line("micro-price", ("micro",), "price"), Line("mid", ("mid",), "price"))
QUALITY = (
    Line("AUC 60s", ("signal_auc(60s)",), "ratio", note="0.5 is a coin"),
    Line("Brier 60s", ("brier(60s)",), "ratio", note="0.25 is a coin, 0 perfect"),
)
METRICS = (
    *keys_of(PRICES),
    *(key for forecast in FORECASTS for key in (forecast.metric, forecast.skill)),
    *keys_of(QUALITY),
)


def micro_runs(view: MarketView, glyphs: Glyphs) -> list[Runs]:
    """Micro-price and mid, with a sign which of them is higher."""
    rows = block(view, PRICES, glyphs)
    micro, mid = view.metrics.get("micro"), view.metrics.get("mid")
    if micro is not None and mid is not None and fmt.known(micro) and fmt.known(mid):
        role: Role = "buy" if micro > mid else "sell" if micro < mid else "dim"
        word = f"{glyphs.up} up" if micro > mid else f"{glyphs.down} down" if micro < mid else "even"
        rows[0] = (*rows[0], (role, f" leans {word}"))
    return rows


def forecast_runs(view: MarketView, forecast: Forecast, glyphs: Glyphs) -> Runs:
    """One forecast with its skill, or why it is not shown."""
    label = fmt.left(" " + forecast.label, LABEL)
    value, skill = view.metrics.get(forecast.metric), view.metrics.get(forecast.skill)
    if skill is None or not fmt.known(skill):
        return (("text", label), ("dim", f" {glyphs.none} {waiting_text(view, forecast.skill)}"))
    shown = fmt.fixed(skill, 7, 3)
    if skill <= 0:
        return (("text", label), ("dim", f" no skill ({shown.strip()}): not shown"))
    if value is None or not fmt.known(value):
        return (
            ("text", label),
            ("dim", f" {glyphs.none} skill {shown.strip()}; {waiting_text(view, forecast.metric)}"),
        )
    text = value_text(value, "share" if forecast.probability else "bps", view.instrument)
    level = 0.5 if forecast.probability else 0.0
    role: Role = "buy" if value > level else "sell" if value < level else "text"
    unit = " up" if forecast.probability else " bps"
    tail = f"{unit:<5}skill{shown}"
    late = since_text(view, (forecast.metric,))
    runs: Runs = (("text", label), (role, text), ("text", tail))
    return (*runs, ("dim", "  " + late)) if late else runs


def signal_rows(view: MarketView, width: int, height: int, glyphs: Glyphs) -> list[Runs]:
    """Prices, forecasts, their quality, the caveat."""
    rows = micro_runs(view, glyphs)
    rows += [forecast_runs(view, forecast, glyphs) for forecast in FORECASTS]
    rows += block(view, QUALITY, glyphs)
    return [*rows[: max(0, height - 1)], (("dim", f" {CAVEAT}"),)][:height]


class Signal(RowPanel):
    """Micro-price and forecasts."""

    TITLE = "SIGNAL"
    CHANNEL = "book"
    HZ = 5.0
    METRICS = METRICS

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """Whether any forecast has skill."""
        skills = [view.metrics.get(forecast.skill) for forecast in FORECASTS]
        known = [skill for skill in skills if skill is not None and fmt.known(skill)]
        text = "warming" if not known else "with skill" if max(known) > 0 else "no skill over the last day"
        return (("dim", text),)

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """See `no_data`."""
        return no_data(view, "book", "order book")

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """See `signal_rows`."""
        return signal_rows(view, width, height, self._glyphs)
