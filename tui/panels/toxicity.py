"""VPIN at three speeds: a gauge of how one-sided the flow was, against its own history and against chance."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from engine.view import EngineView, MarketView, RuleView
from tui.panels import format as fmt
from tui.panels.base import Role, RowPanel, Runs
from tui.panels.glyphs import Glyphs

BUCKETS = 50
CAVEAT = "state gauge, not a forecast"
#: From this percentile of its own history on, a value is drawn as toxic.
TOXIC_PERCENTILE = 0.99


class Preset(NamedTuple):
    """One speed: buckets of a share of the day's volume, 50 of them in the mean."""

    name: str
    volume: str
    spans: str  # how much time the mean covers in a usual market

    @property
    def vpin(self) -> str:
        """Key of the value."""
        return f"vpin({self.volume},{BUCKETS})"

    @property
    def percentile(self) -> str:
        """Key of its place in its own history."""
        return f"vpin_pct({self.volume},{BUCKETS})"

    @property
    def null(self) -> str:
        """Key of what fair coin flips would give."""
        return f"vpin_null({self.volume},{BUCKETS})"

    @property
    def fill(self) -> str:
        """Key of how full the open bucket is, 0 to 1."""
        return f"vpin_fill({self.volume})"

    @property
    def age(self) -> str:
        """Key of the seconds since a bucket closed."""
        return f"vpin_age({self.volume})"

    @property
    def keys(self) -> tuple[str, ...]:
        """All of them."""
        return (self.vpin, self.percentile, self.null, self.fill, self.age)


PRESETS = (
    Preset("slow", "adv/50", "1 day"),
    Preset("fast", "adv/500", "2.4 h"),
    Preset("micro", "adv/5000", "14 min"),
)
METRICS = tuple(key for preset in PRESETS for key in preset.keys)


class Reading(NamedTuple):
    """The numbers of one preset; None: unknown."""

    preset: Preset
    warmed: bool  # the value stands on bars as well, not on the tape alone
    vpin: float | None
    percentile: float | None
    null: float | None
    fill: float | None
    age: float | None

    @property
    def toxic(self) -> bool:
        """Whether the value is extreme in its own history."""
        return self.percentile is not None and self.percentile >= TOXIC_PERCENTILE

    @property
    def waiting(self) -> str:
        """Why there is no value, in words."""
        if self.fill is None:
            return "no bucket size yet"
        return f"warming: open bucket {fmt.percent(self.fill).strip()}"

    @property
    def needs(self) -> str:
        """What a value needs that is not there yet."""
        if self.fill is None:
            return "needs a day's volume (--adv SIZE)"
        return f"needs {BUCKETS} of {self.preset.volume}, about {self.preset.spans}"


def reading(view: MarketView, preset: Preset) -> Reading:
    """What the view knows of a preset."""
    values = [view.metrics.get(key) for key in preset.keys]
    known = (value if fmt.known(value) else None for value in values)
    return Reading(preset, preset.vpin in view.warmed, *known)


def gauge(value: float, null: float | None, width: int, glyphs: Glyphs) -> str:
    """A bar of [0, 1] with a mark at the level that chance gives."""
    text = fmt.bar(value, width, glyphs).replace(" ", glyphs.empty)
    if null is None or width < 3:
        return text
    at = max(0, min(width - 1, int(null * width)))
    return text[:at] + glyphs.mark + text[at + 1 :]


def preset_rows(now: Reading, width: int, lines: int, glyphs: Glyphs) -> list[Runs]:
    """A preset in one, two or three rows: value and gauge; percentile and excess over chance; bucket and age."""
    name = fmt.left(f" {now.preset.name}", 7)
    if now.vpin is None:
        rows: list[Runs] = [(("text", name), ("dim", now.waiting))]
        detail: Runs = (("dim", f"       {now.needs}" if width >= 45 else f" {now.needs}"),)
        return [*rows, detail, ()][:lines]
    role: Role = "toxic" if now.toxic else "dim" if now.warmed else "text"
    value = fmt.fixed(now.vpin, 6, 3)
    if now.warmed:
        name, value = fmt.from_bars(name, value)
    # Rounded down: the 100th percentile is above all that was seen.
    rank = f" p{glyphs.none if now.percentile is None else int(now.percentile * 100):<3}"
    rows = [((role, f"{name}{value} {gauge(now.vpin, now.null, max(0, width - 20), glyphs)}{rank} "),)]
    excess = None if now.null is None else now.vpin - now.null
    # One decimal of a percent would claim more than a history of some hundred values knows.
    rows.append(
        (("dim", f" {now.preset.spans:<7}chance {fmt.fixed(now.null, 5, 3)}  excess {fmt.ratio(excess, 6, 3)}"),)
    )
    since = fmt.age(None if now.age is None else int(now.age * fmt.NS))
    rows.append((("dim", f" {now.preset.volume:<8} bucket {fmt.percent(now.fill)} age {since}"),))
    return rows[:lines]


def rule_rows(rules: Sequence[RuleView], now: int, width: int, glyphs: Glyphs) -> list[Runs]:
    """The alert rules that watch VPIN, firing ones first."""
    rows: list[Runs] = []
    for rule in sorted((r for r in rules if r.toxicity), key=lambda r: (r.state not in ("firing", "clearing"), r.rule)):
        firing = rule.state in ("firing", "clearing")
        since = f" {fmt.age(now - rule.since)}" if rule.since is not None else ""
        word = rule.state.upper() if firing else rule.state
        value = f"{fmt.size(rule.value).strip()} / {fmt.size(rule.level).strip()}"
        room = max(4, min(24, width - 6 - len(word + since + value)))
        text = f" {fmt.foreign(rule.rule, room)}{since}  {value}"
        rows.append(((("alert" if firing else "dim"), f" {word} "), ("text" if firing else "dim", text)))
    return rows


def toxicity_rows(view: MarketView, width: int, height: int, glyphs: Glyphs) -> list[Runs]:
    """Presets, each as detailed as the height allows, then the rules on VPIN, then the caveat."""
    rules = rule_rows(view.rules, view.t, width, glyphs)
    if not rules and height >= 8:
        rules = [(("dim", " no alert on VPIN: press a to add one"),)]
    caveat: list[Runs] = [(("dim", f" {CAVEAT}"),)] if height >= 10 else []
    room = height - min(len(rules), max(1, height // 4)) - len(caveat)
    lines = max(1, min(3, room // len(PRESETS)))
    rows = [row for preset in PRESETS for row in preset_rows(reading(view, preset), width, lines, glyphs)]
    rows = rows[:height]
    rows += rules[: max(0, height - len(rows) - len(caveat))]
    return (rows + caveat)[:height]


class Toxicity(RowPanel):
    """The VPIN panel."""

    TITLE = "VPIN"
    CHANNEL = "trades"
    HZ = 2.0
    METRICS = METRICS

    def note(self, view: MarketView, overview: EngineView, width: int) -> Runs:
        """The word TOXIC while a rule on VPIN fires."""
        firing = sum(rule.toxicity and rule.state in ("firing", "clearing") for rule in view.rules)
        if firing:
            return (("alert", " TOXIC "),)
        return (("dim", "toxicity of the flow"),)

    def missing(self, view: MarketView, overview: EngineView) -> str | None:
        """Only a source without trades has nothing to say: warming is said for each preset."""
        if view.trades.state == "NONE":
            return "this source carries no trades: VPIN needs them"
        if view.t == 0:
            return f"no data yet: {fmt.foreign(view.trades.reason) or 'waiting for the first trade'}"
        return None

    def rows(self, view: MarketView, overview: EngineView, width: int, height: int) -> Sequence[Hashable]:
        """See `toxicity_rows`."""
        return toxicity_rows(view, width, height, self._glyphs)
