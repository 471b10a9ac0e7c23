"""How long to wait before trying again."""

from __future__ import annotations

import random


class Backoff:
    """Exponential with a cap and full jitter: a uniform draw from 0 to `base` x 2^n, at most `cap` seconds.

    The draw spreads out clients that lost the same server at the same moment. `reset` belongs
    after data, not after a connection: a server that accepts and then says nothing is still down.
    """

    def __init__(self, base: float = 0.5, cap: float = 30.0, rng: random.Random | None = None) -> None:
        self._base, self._cap = base, cap
        self._rng = rng if rng is not None else random.Random()
        self._tries = 0

    @property
    def tries(self) -> int:
        """Waits since the last reset."""
        return self._tries

    def next(self) -> float:
        """Seconds to wait before the next try."""
        # 2^40 half seconds are past every cap; the bound keeps the power from growing for ever.
        ceiling = min(self._cap, self._base * 2.0 ** min(self._tries, 40))
        self._tries += 1
        return self._rng.uniform(0.0, ceiling)

    def reset(self) -> None:
        """It works again."""
        self._tries = 0
