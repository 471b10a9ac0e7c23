"""How good the forecasts of the signal panel were, made in advance over a recording."""

from __future__ import annotations

from typing import Final

from engine.market import Market
from engine.metrics.names import Metric, parse_metric
from engine.metrics.next_move import MoveReport, QueueUp
from engine.metrics.prequential import MIN_SCORED
from engine.metrics.signal import RETURN_HORIZONS, SignalCalculator
from engine.study.table import Cell, Table

_WAIT_S: Final = 60
_QUEUE: Final = "queue_skill"
_MOVE: Final = f"skill({_WAIT_S}s)"


def metrics_needed() -> list[Metric]:
    """What the market must compute while it is folded."""
    returns = [f"return_skill({h // 10**9}s)" for h in RETURN_HORIZONS]
    return [parse_metric(text) for text in (_QUEUE, _MOVE, *returns)]


def forecast_table(market: Market) -> Table:
    """Skill of all models at the end of the market's tape."""
    queue, signal = (market.calculator(parse_metric(text)) for text in (_QUEUE, _MOVE))
    if not (isinstance(queue, QueueUp) and isinstance(signal, SignalCalculator)):
        raise ValueError("the market was folded without the metrics that the study needs")
    rows: list[tuple[Cell, ...]] = [("queue imbalance: next move", *_move_cells(queue.report(market.t)))]
    move = signal.move_report(_WAIT_S * 10**9, market.t)
    if move is not None:
        rows.append(("all features: next move", *_move_cells(move)))
    for h in RETURN_HORIZONS:
        report = signal.return_report(h, market.t)
        if report is not None:
            rows.append((f"all features: return over {h // 10**9} s", report.scored, report.skill, None, None))
    return Table(
        "forecasts",
        "Forecasts made in advance, every second, then scored",
        ("forecast", "scored", "skill", "AUC", "Brier"),
        tuple(rows),
        "Predictive: frozen before the outcome, learned online from nothing (returns: weights anew every 5 min). Skill "
        f"of moves is 1 - log-loss / ln 2, of returns 1 - squared errors / squared returns; 0 is knowing nothing, "
        f"unknown below {MIN_SCORED} scored. No costs: a right direction need not pay the spread; seconds in one move "
        "share its outcome.",
    )


def _move_cells(report: MoveReport) -> tuple[Cell, ...]:
    return (report.scored, report.skill, report.auc, report.brier)
