"""How conditions are written, and read: a parsed grammar, nothing is evaluated as code.

    vpin_pct(adv/50,50) >= 99% and spread_bps > 1.5 * median(spread_bps, 1d)
    last crosses up $70k                     imbalance(5) outside [-0.7, 0.7]
    last falls by 1% within 5m               count(abs(ti_z(30s)) >= 4, 10m) >= 3
    delta(30s) > 50 then last crosses up vwap within 30s
    trades absent for 5s

Numbers take k and M, and where the unit of what they are compared with allows it %, bps, $, lots and lengths of time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from engine.alerts.condition import (
    Absence,
    All,
    Compared,
    Condition,
    ConditionError,
    Count,
    Crosses,
    Extent,
    Leaf,
    Not,
    Plain,
    Some,
    Test,
    Then,
    Within,
    edges,
)
from engine.alerts.quantity import (
    SIGNS,
    Arithmetic,
    Magnitude,
    Number,
    Quantity,
    Reading,
    UnitError,
    constant,
    together,
    unit_of,
)
from engine.duration import parse_duration
from engine.metrics.names import MetricError, parse_metric
from engine.metrics.registry import SPECS

if TYPE_CHECKING:
    from lark import Lark, Token, Tree
    from lark.exceptions import UnexpectedInput

_GRAMMAR: Final = r"""
    ?condition: either | condition "then" either "within" NUMBER -> sequence
    ?either: both ("or" both)* -> some
    ?both: negation ("and" negation)* -> all
    ?negation: "not" negation -> negated | leaf | "(" condition ")"

    leaf: sum CMP sum -> compared
        | sum CROSSES DIRECTION? sum -> crosses
        | sum BAND "[" sum "," sum "]" -> band
        | sum MOVES "by" signed "within" NUMBER -> moves
        | sum "absent" "for" NUMBER -> absent
        | "count" "(" condition "," NUMBER ")" CMP NUMBER -> count

    ?sum: product | sum ADD product -> arithmetic
    ?product: factor | product MUL factor -> arithmetic
    ?factor: "abs" "(" sum ")" -> magnitude
        | ADD factor -> sign
        | "(" sum ")"
        | NUMBER -> number
        | metric
    metric: NAME ARGUMENTS?
    signed: NUMBER

    CROSSES.2: "crosses"
    DIRECTION.2: "up" | "down" | "either" | "above" | "below"
    BAND.2: "inside" | "outside" | "enters" | "exits"
    MOVES.2: "rises" | "falls" | "moves"
    CMP: ">=" | "<=" | ">" | "<"
    ADD: "+" | "-"
    MUL: "*" | "/"
    NAME: /[A-Za-z_][A-Za-z_0-9]*/
    ARGUMENTS: /\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)/
    NUMBER: /\$?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:\s*lots\b|bps\b|ms\b|%|[kMsmhd]\b)?/
    %ignore /\s+/
"""
#: Words that can't be names of metrics.
KEYWORDS: Final = frozenset(
    (
        "and", "or", "not", "then", "within", "crosses", "up", "down", "either", "above", "below", "inside", "outside",
        "enters", "exits", "rises", "falls", "moves", "by", "count", "absent", "for", "abs",
    )
)  # fmt: skip
CHANNELS: Final = ("book", "trades", "feed")
_NUMBER: Final = re.compile(r"(\$?)(\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(\s*lots|bps|ms|[%kMsmhd])?")
_EXPONENT: Final = {"k": 3, "M": 6, "%": -2}
_LONGEST: Final = 1000
_LONGEST_WINDOW: Final = 86_400_000_000_000
_MOST_PARTS: Final = 40
EXAMPLE: Final = "'vpin_pct(adv/50,50) >= 99%' or 'last crosses up 70k and delta(30s) > 50'"
_AFTER: Final = "> >= < <=, crosses up, inside [low, high], rises by, absent for"
_READABLE: Final[Mapping[str, str]] = {
    "NAME": "a metric",
    "NUMBER": "a number",
    "CMP": "one of > >= < <=",
    "CROSSES": "crosses",
    "BAND": "inside, outside, enters or exits",
    "MOVES": "rises, falls or moves",
    "ADD": "+ or -",
    "MUL": "* or /",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "COMMA": "a comma",
    "DIRECTION": "up, down or either",
    "$END": "the end",
}


@cache
def _parser(start: str) -> Lark:
    from lark import Lark  # takes its time to load, and not every run has rules

    return Lark(_GRAMMAR, start=start, parser="lalr", propagate_positions=True)


@lru_cache(maxsize=1024)
def parse_condition(text: str) -> Condition:
    """Raises ConditionError."""
    builder = _Builder(text)
    condition = builder.condition(builder.tree("condition"))
    if builder.parts > _MOST_PARTS:
        raise ConditionError(f"{builder.parts} comparisons in one condition, at most {_MOST_PARTS}")
    return condition


def parse_quantity(text: str) -> Quantity:
    """A level such as 0.99, 10bps or 2 * median(spread_bps). Raises ConditionError."""
    builder = _Builder(text)
    return builder.quantity(builder.tree("sum"))


def is_condition(text: str) -> bool:
    """Whether a text is written as a condition instead of a level."""
    return bool(re.search(r"[<>]|\b(?:crosses|inside|outside|enters|exits|rises|falls|moves|absent)\b", text))


class _Builder:
    """From the tree that the grammar finds to a condition, with the place of what is wrong."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.parts = 0

    def tree(self, start: str) -> Tree[Token]:
        """What the grammar finds."""
        from lark.exceptions import UnexpectedInput

        if len(self._text) > _LONGEST:
            raise ConditionError(f"longer than {_LONGEST} characters")
        try:
            return _parser(start).parse(self._text)
        except UnexpectedInput as error:
            raise self._syntax_error(error) from None
        except RecursionError:
            raise ConditionError("brackets nested too deeply") from None

    # ---- conditions

    def condition(self, node: Any) -> Condition:
        """Any condition."""
        kind, children = node.data, node.children
        if kind in ("some", "all"):
            parts = tuple(self.condition(child) for child in children)
            if len(parts) == 1:
                return parts[0]
            return Some(parts) if kind == "some" else All(parts)
        if kind == "negated":
            part = self.condition(children[0])
            if (edge := next(edges(part), None)) is not None:
                text = f"not can't be said of {edge}, which happens at a moment; compare with > >= < <= or inside"
                raise self._error(node, text)
            return Not(part)
        if kind == "sequence":
            return Then(self.condition(children[0]), self.condition(children[1]), self._window(children[2]))
        self.parts += 1
        leaf: Leaf = getattr(self, f"_{kind}")(node, children)
        return leaf

    def _compared(self, node: Any, children: list[Any]) -> Leaf:
        measured, level = self.quantity(children[0]), self.quantity(children[2])
        if constant(measured) is not None:
            raise self._error(children[0], "a number where a metric is expected; write the metric first")
        comparison = str(children[1])
        bound = constant(level)
        if isinstance(measured, Magnitude) and bound is not None and bound <= 0:
            raise self._error(children[2], "abs(…) is never below 0, so its level must be above 0")
        return self._leaf(node, children[0], Plain(measured), Compared(comparison, level), (level,))

    def _crosses(self, node: Any, children: list[Any]) -> Leaf:
        measured, level = self._measured(children[0]), self.quantity(children[-1])
        written = str(children[2]) if len(children) == 4 else "either"
        direction = {"above": "up", "below": "down"}.get(written, written)
        return self._leaf(node, children[0], Plain(measured), Crosses(direction, level), (level,))

    def _band(self, node: Any, children: list[Any]) -> Leaf:
        measured, low, high = self._measured(children[0]), self.quantity(children[2]), self.quantity(children[3])
        ends = constant(low), constant(high)
        if ends[0] is not None and ends[1] is not None and ends[0] >= ends[1]:
            raise self._error(children[2], "the range must begin with its lower end")
        return self._leaf(node, children[0], Plain(measured), Within(str(children[1]), low, high), (low, high))

    def _moves(self, node: Any, children: list[Any]) -> Leaf:
        measured, number = self._measured(children[0]), self._number(children[2].children[0])
        if number.value <= 0:
            raise self._error(children[2], "must be above 0")
        relative = number.sign == "%"
        extent = Extent(measured, str(children[1]), relative, self._window(children[3]))
        what = f"{self._slice(children[0])} {children[1]} within {str(children[3]).strip()}"
        level = Number(number.value) if relative else number
        self._check_units(children[0], measured, (level,))
        return Leaf(what, extent, Compared(">=", level), "ratio" if relative else _shown_unit(measured))

    def _absent(self, node: Any, children: list[Any]) -> Leaf:
        length = self._window(children[1]) / 1e9
        name = self._slice(children[0])
        of: Quantity | str = name if name in CHANNELS else self._measured(children[0])
        return Leaf(f"{name} absent", Absence(of), Compared(">=", Number(length, "s")), "s")

    def _count(self, node: Any, children: list[Any]) -> Leaf:
        inner, window = self.condition(children[0]), self._window(children[1])
        number = self._number(children[3])
        if number.sign or number.value != int(number.value) or not 1 <= number.value <= 10_000:
            raise self._error(children[3], "must be a whole number from 1 to 10000")
        comparison = str(children[2])
        if comparison[0] == "<":
            raise self._error(children[2], "a count can be compared with >= or > only: what was not seen is not known")
        what = re.sub(r"\s*[<>]=?\s*\S+$", "", self._slice(node))
        return Leaf(what, Count(inner, window), Compared(comparison, number), "count")

    def _leaf(self, node: Any, first: Any, measure: Plain, test: Test, levels: tuple[Quantity, ...]) -> Leaf:
        self._check_units(node, measure.quantity, levels)
        return Leaf(self._slice(first), measure, test, _shown_unit(measure.quantity))

    def _measured(self, node: Any) -> Quantity:
        quantity = self.quantity(node)
        if constant(quantity) is not None:
            raise self._error(node, "a number where a metric is expected")
        return quantity

    def _check_units(self, node: Any, measured: Quantity, levels: tuple[Quantity, ...]) -> None:
        try:
            unit = unit_of(measured)
            for level in levels:
                together(unit, unit_of(level), "compared")
        except UnitError as error:
            name = self._slice(node) if not isinstance(measured, Reading) else measured.metric.name
            signs = [level.sign for level in levels if isinstance(level, Number) and level.sign]
            if isinstance(measured, Reading) and signs:
                sign = {"s": "lengths of time"}.get(signs[0], signs[0])
                text = f"{name} is not in {sign} (its unit: {measured.metric.spec.unit}); write a plain number"
                raise self._error(node, text) from None
            raise self._error(node, f"{name}: {error}") from None

    # ---- quantities

    def quantity(self, node: Any) -> Quantity:
        """A number, a metric, or what is made of them."""
        kind, children = node.data, node.children
        if kind == "number":
            return self._number(children[0])
        if kind == "metric":
            return self._metric(children)
        if kind == "magnitude":
            return Magnitude(self.quantity(children[0]))
        if kind == "sign":
            inner = self.quantity(children[1])
            if str(children[0]) == "+":
                return inner
            if isinstance(inner, Number):
                return Number(-inner.value, inner.sign)
            return Arithmetic("*", Number(-1.0), inner)
        made = Arithmetic(str(children[1]), self.quantity(children[0]), self.quantity(children[2]))
        try:
            unit_of(made)
        except UnitError as error:
            raise self._error(node, str(error)) from None
        return made

    def _number(self, token: Token) -> Number:
        match = _NUMBER.fullmatch(str(token))
        if match is None:
            raise self._error(token, f"{str(token)[:40]!r} is no number: at most 15 digits before and after the point")
        dollar, digits, unit = match.groups()
        unit = (unit or "").strip()
        if unit in ("ms", "s", "m", "h", "d"):
            if dollar:
                raise self._error(token, f"{str(token)!r} is neither money nor a length of time")
            return Number(self._window(token, 1 << 62) / 1e9, "s")
        value = float(Decimal(digits).scaleb(_EXPONENT.get(unit, 0)))
        if dollar and unit in ("%", "bps", "lots"):
            raise self._error(token, f"{str(token)!r} is in two units")
        return Number(value, "$" if dollar else unit if unit in SIGNS else "")

    def _window(self, token: Token, longest: int = _LONGEST_WINDOW) -> int:
        try:
            ns = parse_duration(str(token))
        except ValueError as error:
            raise self._error(token, str(error)) from None
        if not 0 < ns <= longest:
            raise self._error(token, f"{str(token)!r} must be above 0 and at most a day")
        return ns

    def _metric(self, children: list[Token]) -> Reading:
        start = children[0].start_pos or 0
        text = self._text[start : children[-1].end_pos]
        try:
            return Reading(parse_metric(text))
        except MetricError as error:
            what = re.sub(r" at character \d+ of .*?(?=: expected|; did you mean|$)", "", str(error))
            if not error.nearest and "unknown metric" in what:
                near = "".join(get_close_matches(error.piece.lower(), sorted({*KEYWORDS, *SPECS}), 1, 0.5))
                what += f"; did you mean {near!r}?" if near else ""
            raise ConditionError(what, start + error.position + 1) from None

    # ---- errors

    def _slice(self, node: Any) -> str:
        start, end = self._span(node)
        return " ".join(self._text[start:end].split())

    def _span(self, node: Any) -> tuple[int, int]:
        meta = getattr(node, "meta", None)
        if meta is not None:
            return meta.start_pos, meta.end_pos
        return node.start_pos, node.end_pos

    def _error(self, node: Any, what: str) -> ConditionError:
        return ConditionError(what, self._span(node)[0] + 1)

    def _syntax_error(self, error: UnexpectedInput) -> ConditionError:
        text = self._text
        token = getattr(error, "token", None)
        ended = token is not None and token.type == "$END"
        at = len(text.rstrip()) if ended else getattr(error, "pos_in_stream", None) or 0
        rest = text[at:].strip()
        for sign, hint in (
            ("==", "numbers that are measured are never exactly equal; write inside [low, high]"),
            ("=", "write >= or <="),
            ("!=", "write outside [low, high]"),
            ("&&", "write and"),
            ("||", "write or"),
            ("!", "write not"),
        ):
            if rest.startswith(sign):
                return ConditionError(f"{sign!r}: {hint}", at + 1)
        wanted = sorted(getattr(error, "accepts", None) or getattr(error, "expected", None) or _allowed(error))
        if not text.strip():
            return ConditionError(f"nothing there; write a condition such as {EXAMPLE}", 1)
        # A metric that does not exist is the better complaint than what stands behind it.
        for name in re.finditer(r"[A-Za-z_]\w*", text[:at]):
            word = name.group()
            if word not in KEYWORDS and word.lower() not in SPECS and self._is_metric(name.start()):
                near = "".join(get_close_matches(word.lower(), sorted({*KEYWORDS, *SPECS}), 1, 0.5))
                hint = f"; did you mean {near!r}?" if near else ""
                return ConditionError(f"unknown metric {word!r}{hint}", name.start() + 1)
        found = re.match(r"\w+", rest)
        near = "".join(get_close_matches(found.group().lower(), sorted(KEYWORDS), 1, 0.6)) if found else ""
        if near and found and near != found.group():
            return ConditionError(f"{found.group()[:40]!r} is not expected here; did you mean {near!r}?", at + 1)
        expected = " or ".join(dict.fromkeys(_READABLE.get(name, name.lower().strip("_")) for name in wanted[:8]))
        if "CMP" in wanted:
            expected = _AFTER
        what = "it ends too early" if ended else f"{rest[:30]!r} is not expected here"
        return ConditionError(f"{what}; expected {expected or 'a condition'}, as in {EXAMPLE}", at + 1)

    def _is_metric(self, at: int) -> bool:
        """Whether a word outside brackets stands at this place: words in them are arguments."""
        return self._text[:at].count("(") == self._text[:at].count(")") or self._text[:at].rstrip().endswith("abs(")


def _allowed(error: UnexpectedInput) -> set[str]:
    """What the lexer would have taken."""
    return set(getattr(error, "allowed", None) or ())


def _shown_unit(quantity: Quantity) -> str:
    unit = unit_of(quantity)
    return "" if unit == "?" else unit
