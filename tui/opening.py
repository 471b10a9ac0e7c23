"""What the screen shows while the engine is still being loaded: nothing yet, at once.

The engine brings numpy, a parser and connectors with it; the first frame does not wait for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from engine.alert_view import AlertEvent, EvidenceView, RulePreview
from engine.view import EngineView, MarketView, ViewRequest

if TYPE_CHECKING:
    from engine.detail_view import Explanation
    from tui.monitor import AlertFields, Playback
    from tui.session import Session

_NOTHING = EngineView((), (), 0, (), 0.0, 0.0)


class Opening:
    """A `Monitor` that becomes a session: `run()` has it made by `build`, in a thread, and runs it.

    `asked` are the markets that were named; `playback` controls of a recording that has been opened already.
    """

    def __init__(
        self, build: Callable[[], Session], asked: Sequence[str] = (), playback: Playback | None = None
    ) -> None:
        self._build = build
        self._asked = tuple(asked)
        self.playback = playback
        self._session: Session | None = None
        self._listeners: list[Callable[[AlertEvent], None]] = []

    async def run(self) -> None:
        """Load the engine and run it until it is cancelled. Raises what `build` raises."""
        session = await asyncio.to_thread(self._build)
        for callback in self._listeners:
            session.listen(callback)
        self._session = session
        await session.run()

    def markets(self) -> Sequence[str]:
        """See Monitor."""
        return self._asked if self._session is None else self._session.markets()

    def received(self) -> dict[str, int | None]:
        """See Session; empty while there is none."""
        return {} if self._session is None else self._session.received()

    def view(self, market: str, request: ViewRequest) -> MarketView | None:
        """See Monitor."""
        return None if self._session is None else self._session.view(market, request)

    def overview(self) -> EngineView:
        """See Monitor."""
        return _NOTHING if self._session is None else self._session.overview()

    def acknowledge(self) -> None:
        """See Monitor."""
        if self._session is not None:
            self._session.acknowledge()

    def watch_rules(self, presets: Sequence[str], own: Sequence[AlertFields]) -> None:
        """See Monitor."""
        if self._session is None:
            raise ValueError("the engine is still starting; try again in a moment")
        self._session.watch_rules(presets, own)

    def presets(self) -> Sequence[tuple[str, str, Sequence[tuple[str, str]]]]:
        """See Monitor."""
        return () if self._session is None else self._session.presets()

    def preview(self, market: str, measured: str, rule: AlertFields | None) -> RulePreview:
        """See Monitor."""
        if self._session is None:
            return RulePreview(None, problem="the engine is still starting")
        return self._session.preview(market, measured, rule)

    def level_at(self, market: str, measured: str, share: float) -> float | None:
        """See Monitor."""
        return None if self._session is None else self._session.level_at(market, measured, share)

    def evidence(self, episode: str) -> EvidenceView | None:
        """See Monitor."""
        return None if self._session is None else self._session.evidence(episode)

    def snooze(self, rule: str, market: str, seconds: float) -> None:
        """See Monitor."""
        if self._session is not None:
            self._session.snooze(rule, market, seconds)

    def mute(self, muted: bool) -> None:
        """See Monitor."""
        if self._session is not None:
            self._session.mute(muted)

    def check_rule(self, when: str) -> str | None:
        """See Monitor."""
        return "the engine is still starting" if self._session is None else self._session.check_rule(when)

    def metric_value(self, market: str, metric: str) -> float | None:
        """See Monitor."""
        return None if self._session is None else self._session.metric_value(market, metric)

    def explain(self, market: str, metric: str) -> Explanation | None:
        """See Monitor."""
        return None if self._session is None else self._session.explain(market, metric)

    def metric_names(self) -> Sequence[tuple[str, str, str]]:
        """See Monitor."""
        return () if self._session is None else self._session.metric_names()

    def listen(self, callback: Callable[[AlertEvent], None]) -> None:
        """See Monitor."""
        if self._session is None:
            self._listeners.append(callback)
        else:
            self._session.listen(callback)
