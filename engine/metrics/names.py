"""Names of metrics as people write them: `cvd`, `ti(30s)`, `vpin(1000,50)`, `depth(side=bid, X=10bps)`.

A small grammar finds names and arguments; what an argument's text may be follows from the kind that
its `Param` declares. An argument may itself be a metric: `pct(ti(30s), 1d)`. Nothing is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from engine.instant import instant_text, looks_like_instant, parse_instant
from engine.metrics.registry import SPECS
from engine.metrics.spec import UNIT_OF_METRIC, MetricSpec, Param
from engine.metrics.windows import Anchor

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

_GRAMMAR = """
    metrics: metric ("," metric)*
    metric: WORD [OPEN [argument ("," argument)*] ")"]
    argument: [WORD "="] metric
    OPEN: "("
    WORD: /[^\\s,()=]+/
    %ignore /\\s+/
"""
_READABLE = {"WORD": "a name or value", "COMMA": "','", "OPEN": "'('", "RPAR": "')'", "EQUAL": "'='", "$END": "the end"}
_LONGEST_TEXT = 20_000
_DEEPEST = 3  # metrics inside one another

_NS = {"ns": 1, "us": 1_000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3_600 * 10**9, "d": 86_400 * 10**9}
_LONGEST_WINDOW = 90 * _NS["d"]
_NUMBER = r"[+-]?(?:[0-9]{1,15}\.?[0-9]{0,12}|\.[0-9]{1,12})(?:[eE][+-]?[0-9]{1,2})?"
#: Finer numbers are refused, so that whatever was read can be written out and read again.
_FINEST = Decimal("1e-12")
_LONG_UNITS = "one of ns, us, ms, s, m, h, d"


class MetricError(ValueError):
    """A metric's name or arguments can't be used; the text says what, where, what is expected and what is near.

    `piece` is the offending piece of text, `position` where it begins in the whole text (from 0),
    `nearest` a valid name it may have meant.
    """

    def __init__(self, what: str, text: str, piece: str, position: int, expected: str = "", nearest: str = "") -> None:
        where = "" if piece == text.strip() else f" at character {position + 1} of {_shown(text)}"
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"{what}{where}" + (f": expected {expected}" if expected else "") + hint)
        self.piece = piece
        self.position = position
        self.expected = expected
        self.nearest = nearest


@dataclass(frozen=True)
class Metric:
    """One metric as asked for. Two texts that mean the same have the same `canonical` text."""

    key: str  # the text exactly as asked, stripped
    name: str
    args: tuple[Any, ...]  # parsed, defaults filled in, in the order of spec.params
    canonical: str
    spec: MetricSpec


def parse_metrics(text: str) -> list[Metric]:
    """The metrics of a comma-separated list, in its order; a key that is repeated comes once.

    Raises MetricError for anything that is no such list.
    """
    found = {metric.key: metric for metric in _parse(text)}
    return list(found.values())


@lru_cache(maxsize=4096)
def parse_metric(text: str) -> Metric:
    """A single metric; raises MetricError."""
    metrics = _parse(text)
    if len(metrics) > 1:
        raise MetricError(f"{len(metrics)} metrics where one was asked for", text, text.strip(), 0, "a single metric")
    return metrics[0]


# ---- text -> metrics


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    position: int  # in the whole text


@dataclass(frozen=True, slots=True)
class _Asked:
    """One metric as the grammar found it."""

    name: _Word
    arguments: list[tuple[_Word | None, _Asked]]  # (keyword or None, value: a plain one has a name only)
    key: str
    bracket: int | None = None  # position of the "(" after the name


@cache
def _parser() -> Lark:
    from lark import Lark  # 35 ms that the first paint need not wait for

    return Lark(_GRAMMAR, start="metrics", parser="lalr", propagate_positions=True, maybe_placeholders=True)


def _read(text: str) -> list[_Asked]:
    """What the grammar finds; raises MetricError."""
    from lark.exceptions import UnexpectedInput

    if not text.strip():
        raise MetricError("no metric named", text, text.strip(), 0, "a name such as 'cvd' or 'ti(30s)'")
    if len(text) > _LONGEST_TEXT:
        raise MetricError(f"a list of {len(text)} characters", text, text.strip(), 0, f"at most {_LONGEST_TEXT}")
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _syntax_error(text, error) from None
    return [_asked(text, node, 1) for node in tree.children]


def _asked(text: str, node: Any, depth: int) -> _Asked:
    name, bracket, *arguments = node.children
    if depth > _DEEPEST + 1:  # the innermost metric may have arguments
        position = node.meta.start_pos
        raise MetricError("metrics too deep inside one another,", text, str(name), position, f"at most {_DEEPEST}")
    pairs = [(argument.children[0], argument.children[1]) for argument in arguments if argument is not None]
    return _Asked(
        _Word(str(name), name.start_pos),
        [
            (None if key is None else _Word(str(key), key.start_pos), _asked(text, value, depth + 1))
            for key, value in pairs
        ],
        text[node.meta.start_pos : node.meta.end_pos],
        None if bracket is None else bracket.start_pos,
    )


def _syntax_error(text: str, error: UnexpectedInput) -> MetricError:
    wanted = getattr(error, "accepts", None) or getattr(error, "expected", None) or ()
    expected = " or ".join(sorted(_READABLE.get(name, name) for name in wanted))
    token = getattr(error, "token", None)
    if token is None or token.type == "$END":
        return MetricError("the text ends too early,", text, "", len(text), expected)
    return MetricError(f"unexpected {_shown(token)}", text, str(token), token.start_pos, expected)


def _parse(text: str) -> list[Metric]:
    return [_metric(text, asked) for asked in _read(text)]


def _metric(text: str, asked: _Asked) -> Metric:
    name, position = asked.name.text.lower(), asked.name.position
    spec = SPECS.get(name)
    if spec is None:
        near = "".join(get_close_matches(name, list(SPECS), 1, 0.5))
        raise MetricError(f"unknown metric {_shown(asked.name.text)}", text, asked.name.text, position, "", near)
    given = _given(text, spec, asked)
    read = [_value(text, spec, param, given.get(param.name)) for param in spec.params]
    values = tuple(value for value, _ in read)
    try:
        spec.bind(*values)
    except ValueError as error:
        raise MetricError(f"{_shown(asked.key)}: {error}", text, asked.key, position) from None
    if spec.unit == UNIT_OF_METRIC:
        spec = replace(spec, unit=values[0].spec.unit)
    texts = ",".join(canonical for _, canonical in read)
    return Metric(asked.key, name, values, f"{name}({texts})" if texts else name, spec)


def _given(text: str, spec: MetricSpec, asked: _Asked) -> dict[str, _Asked]:
    """The arguments' texts by the names of their parameters; raises MetricError unless they are right in number."""
    given: dict[str, _Asked] = {}
    for index, (keyword, value) in enumerate(asked.arguments):
        if keyword is not None:
            param = _by_name(text, spec, keyword)
        elif index < len(spec.params):
            param = spec.params[index]
        else:
            most = f"at most {len(spec.params)}: {usage(spec)}" if spec.params else f"{spec.name} without arguments"
            raise MetricError(
                f"one argument too many, {_shown(value.key)},", text, value.key, value.name.position, most
            )
        if param.name in given:
            raise MetricError(f"{param.name} given twice", text, value.key, value.name.position, usage(spec))
        given[param.name] = value
    for param in spec.params:
        if param.name not in given and param.default is None:
            what = f"{spec.name} lacks {param.name}" + (f" ({param.meaning})" if param.meaning else "")
            raise MetricError(what, text, asked.key, asked.name.position, usage(spec))
    return given


def _by_name(text: str, spec: MetricSpec, keyword: _Word) -> Param:
    exact = [p for p in spec.params if p.name == keyword.text]
    loose = [p for p in spec.params if p.name.lower() == keyword.text.lower()]
    for found in (exact, loose):
        if len(found) == 1:
            return found[0]
    near = "".join(get_close_matches(keyword.text, [p.name for p in spec.params], 1, 0.5))
    what = f"{spec.name} has no argument {_shown(keyword.text)}"
    raise MetricError(what, text, keyword.text, keyword.position, usage(spec), near)


def usage(spec: MetricSpec) -> str:
    """How a metric is written: `ti(W=60s)`, `vwap_band(k, W=session)`."""
    if not spec.params:
        return spec.name
    shown = [p.name if p.default is None else f"{p.name}={p.default}" for p in spec.params]
    return f"{spec.name}({', '.join(shown)})"


# ---- text -> argument, by kind


class _RefusedError(Exception):
    """An argument's text is not what its kind allows; says what is."""


def _value(text: str, spec: MetricSpec, param: Param, asked: _Asked | None) -> tuple[Any, str]:
    """An argument and its canonical text."""
    if param.kind == "metric":
        assert asked is not None, "a metric argument has no default"
        metric = _metric(text, asked)
        return metric, metric.canonical
    if asked is not None and asked.bracket is not None:
        raise MetricError("unexpected '('", text, "(", asked.bracket, f"the value of {param.name} to end")
    given = None if asked is None else asked.name
    source = given or _Word(str(param.default), 0)
    kind, _, choices = param.kind.partition(":")
    try:
        return _choice(source.text, choices.split("|")) if kind == "choice" else _READERS[kind](source.text)
    except _RefusedError as refused:
        what = f"{spec.name}: {param.name} can't be {_shown(source.text)}"
        raise MetricError(what, text, source.text, source.position, str(refused)) from None


def _number(source: str, expected: str, low: Decimal, high: Decimal) -> Decimal:
    """A number with low < number <= high."""
    if not re.fullmatch(_NUMBER, source):
        raise _RefusedError(expected)
    value = Decimal(source)
    if not low < value <= high:
        raise _RefusedError(f"{expected}, more than {_plain(low)} and at most {_plain(high)}")
    if value % _FINEST:
        raise _RefusedError(f"{expected}, with at most 12 decimals")
    return value


def _whole(source: str, expected: str, high: int) -> tuple[int, str]:
    value = _number(source, expected, Decimal(0), Decimal(high))
    if value != int(value):
        raise _RefusedError(expected)
    return int(value), str(int(value))


def _plain(value: Decimal) -> str:
    """A number without exponent or needless zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _window(source: str) -> tuple[Any, str]:
    expected = "a duration such as 250ms, 30s, 5m, 1h or 1d"
    match = re.fullmatch(rf"({_NUMBER})([a-zA-Z]*)", source)
    if not match:
        raise _RefusedError(expected)
    unit = _NS.get(match[2])
    if unit is None:
        raise _RefusedError(f"{expected} (the unit is {_LONG_UNITS})")
    ns = Fraction(Decimal(match[1])) * unit
    if not 0 < ns <= _LONGEST_WINDOW:
        raise _RefusedError("a duration above 0 and of at most 90d")
    if ns != int(ns):
        raise _RefusedError("a duration of whole nanoseconds")
    return int(ns), duration_text(int(ns))


def duration_text(ns: int) -> str:
    """A duration in the largest unit that divides it: 90 s -> `90s`, 3600 s -> `1h`."""
    unit = max((u for u in _NS if ns % _NS[u] == 0), key=_NS.__getitem__)
    return f"{ns // _NS[unit]}{unit}"


def _anchored(source: str) -> tuple[Any, str]:
    if source.lower() in ("session", "start"):
        return source.lower(), source.lower()
    if looks_like_instant(source):
        try:
            ns = parse_instant(source)
        except ValueError as error:
            raise _RefusedError(str(error)) from None
        return Anchor(ns), instant_text(ns)
    try:
        return _window(source)
    except _RefusedError as refused:
        raise _RefusedError(f"{refused}, or 'session', or 'start', or a UTC time such as 2024-08-08T14:30") from None


def _levels(source: str) -> tuple[Any, str]:
    return _whole(source, "a whole number of levels from 1 to 1000", 1000)


def _count(source: str) -> tuple[Any, str]:
    return _whole(source, "a whole number from 1 to 100000", 100_000)


def _bps(source: str) -> tuple[Any, str]:
    expected = "basis points such as 10bps"
    if not source.lower().endswith("bps"):
        raise _RefusedError(expected)
    value = _number(source[:-3], expected, Decimal(0), Decimal(10_000))
    return float(value), f"{_plain(value)}bps"


def _levels_or_bps(source: str) -> tuple[Any, str]:
    if source.lower().endswith("bps"):
        return _bps(source)
    try:
        return _levels(source)
    except _RefusedError as refused:
        raise _RefusedError(f"{refused}, or basis points such as 10bps") from None


def _quantity(source: str, expected: str) -> tuple[float, str]:
    factor = {"k": 3, "m": 6}.get(source[-1:].lower(), 0)
    digits = source[:-1] if factor else source
    value = _number(digits, expected, Decimal(0), Decimal(10) ** 15).scaleb(factor)
    if value < Decimal("1e-12") or value > Decimal(10) ** 15:
        raise _RefusedError(f"{expected}, from 1e-12 to 1e15")
    return float(value), _plain(value)


def _size(source: str) -> tuple[Any, str]:
    expected = "a size such as 1000, 0.5 or 10k, or a part of the average day such as adv/50"
    if source.lower().startswith("adv"):
        divisor = source[4:] if source[3:4] == "/" else "" if source[3:] else "1"
        text = f"adv/{_plain(_number(divisor, expected, Decimal(0), Decimal(10**6)))}"
        return text, text
    return _quantity(source, expected)


def _least_size(source: str) -> tuple[Any, str]:
    expected = "a size such as 1000, 0.5 or 10k, or 0 for any"
    if re.fullmatch(r"0+(\.0*)?", source):
        return 0.0, "0"
    return _quantity(source, expected)


def _notional(source: str) -> tuple[Any, str]:
    return _quantity(source.removeprefix("$"), "an amount of quote currency such as 100000, 100k or $1.5M")


def _side(source: str) -> tuple[Any, str]:
    if source.lower() not in ("bid", "ask", "buy", "sell"):
        raise _RefusedError("bid, ask, buy or sell")
    return source.lower(), source.lower()


def _choice(source: str, choices: list[str]) -> tuple[Any, str]:
    if source.lower() not in choices:
        raise _RefusedError(f"{', '.join(choices[:-1])} or {choices[-1]}")
    return source.lower(), source.lower()


def _factor(source: str) -> tuple[Any, str]:
    value = _number(source, "a number such as 2 or -0.5", Decimal(-1001), Decimal(1000))
    if not value or value < -1000:
        raise _RefusedError("a number from -1000 to 1000, not 0")
    return float(value), _plain(value)


def _confidence(source: str) -> tuple[Any, str]:
    expected = "a confidence such as 0.99 or 99%, above 0.5 and below 1"
    percent = source.endswith("%")
    value = _number(source.removesuffix("%"), expected, Decimal(0), Decimal(100 if percent else 1))
    value = value.scaleb(-2) if percent else value
    if not Decimal("0.5") < value < 1:
        raise _RefusedError(expected)
    return float(value), _plain(value)


_READERS: dict[str, Callable[[str], tuple[Any, str]]] = {
    "window": _window,
    "anchored": _anchored,
    "levels": _levels,
    "levels_or_bps": _levels_or_bps,
    "bps": _bps,
    "size": _size,
    "least_size": _least_size,
    "count": _count,
    "side": _side,
    "notional": _notional,
    "factor": _factor,
    "confidence": _confidence,
}


def _shown(text: str) -> str:
    """Text in quotes, control characters escaped, shortened."""
    return repr(str(text) if len(text) <= 60 else f"{text[:57]}...")
