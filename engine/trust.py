"""Trust of a market's channels: what the source last said, sampled at any instant of the tape."""

from __future__ import annotations

import numpy as np

from engine.tape import REASON_TEXT, Channel, Ints, Reason, Trust
from engine.view import ChannelView

_USABLE = (Trust.LIVE, Trust.UNVERIFIABLE)
_CHANNELS = (Channel.BOOK, Channel.TRADES, Channel.LIQUIDATIONS)


class TrustLog:
    """State, reason and age of each channel, and the changes no grid instant has passed yet.

    CROSSED is found out by the fold itself (`cross`) and covers LIVE and UNVERIFIABLE while it lasts.
    """

    def __init__(self) -> None:
        self._said = dict.fromkeys(_CHANNELS, (Trust.NONE, Reason.NONE, 0))  # state, reason, percent
        self._since = dict.fromkeys(_CHANNELS, 0)
        self._losses = dict.fromkeys(_CHANNELS, 0)
        self.last_book: int | None = None  # clock of the last message, ns
        self.last_trades: int | None = None
        self._crossed = False
        self._times: list[int] = []
        self._codes: list[int] = []
        self._before = self._code()
        self._news: list[tuple[int, int, int]] = []

    def _state(self, channel: Channel) -> Trust:
        state = self._said[channel][0]
        if channel is Channel.BOOK and self._crossed and state in _USABLE:
            return Trust.CROSSED
        return state

    def _code(self) -> int:
        return int(self._state(Channel.BOOK)) << 4 | int(self._state(Channel.TRADES))

    def _log(self, t: int) -> None:
        code = self._code()
        if code != (self._codes[-1] if self._codes else self._before):
            self._times.append(t)
            self._codes.append(code)
            self._news.append((t, code >> 4, code & 15))

    def say(self, t: int, channel: Channel, trust: Trust, reason: Reason, percent: int) -> None:
        """The source says how far `channel` can be relied on from `t` on."""
        if self._said[channel][0] is not trust:
            self._since[channel] = t
        if self.usable(channel) and trust not in _USABLE:
            self._losses[channel] += 1
        self._said[channel] = (trust, reason, percent)
        self._log(t)

    def cross(self, t: int, crossed: bool) -> None:
        """The book became crossed, or is no longer."""
        self._crossed = crossed
        self._since[Channel.BOOK] = t
        self._log(t)

    def usable(self, channel: Channel) -> bool:
        """Whether numbers may be derived from what the channel says."""
        return self._said[channel][0] in _USABLE

    def unsaid(self, t: int) -> None:
        """Whatever an earlier run was told of the channels is no longer known at `t`."""
        self._news.append((t, int(Trust.NONE), int(Trust.NONE)))

    @property
    def changed(self) -> bool:
        """Whether `news` has something to tell."""
        return bool(self._news)

    def news(self) -> tuple[tuple[int, int, int], ...]:
        """The changes since the last time: (clock, trust of the book, of the trades)."""
        told = tuple(self._news)
        self._news.clear()
        return told

    def sample(self, times: Ints) -> tuple[list[str | None], list[str | None]]:
        """Names of (book, trades) trust at ascending instants; None where the source has no such channel."""
        codes = np.array([self._before, *self._codes])[np.searchsorted(self._times, times, side="right")]
        return [_name(c >> 4) for c in codes.tolist()], [_name(c & 15) for c in codes.tolist()]

    def advance(self, t: int) -> None:
        """No instant before `t` will be sampled any more."""
        gone = int(np.searchsorted(self._times, t, side="right"))
        if gone:
            self._before = self._codes[gone - 1]
            del self._times[:gone], self._codes[:gone]

    def view(self, channel: Channel) -> ChannelView:
        """The channel now."""
        state, reason, percent = self._state(channel), self._said[channel][1], self._said[channel][2]
        if state is Trust.CROSSED:
            reason = Reason.CROSSED_BOOK
        last = self.last_book if channel is Channel.BOOK else self.last_trades
        return ChannelView(state.name, REASON_TEXT[reason], self._since[channel], percent, last, self._losses[channel])


def _name(code: int) -> str | None:
    return Trust(code).name if code else None
