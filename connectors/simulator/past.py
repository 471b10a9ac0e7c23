"""What a simulated market is said to have traded before it began: bars, made up without simulating any order.

They depend on the market, the seed and the start alone. Activity follows the same curve over the day as
the live simulation, prices swing around the same level and arrive at it when the simulation begins.
"""

from __future__ import annotations

import math
import random
from typing import Final

import numpy as np

from connectors.simulator.profiles import Profile
from engine.history import Bars

_DAY: Final = 86_400_000_000_000
#: Swings of the price: (period in hours, amplitude in bps). They fade out over the last hour before the start.
_SWINGS: Final = ((61.0, 90.0), (17.0, 50.0), (5.3, 25.0), (1.1, 9.0))
_FADE_NS: Final = 3_600_000_000_000
#: Noise of a bar's price over one minute, bps; spread of its volume (of the logarithm), and of its taker buys.
_NOISE_BPS, _VOLUME_SPREAD, _LEAN = 2.0, 0.8, 0.16
#: Median orders that a trade is made of, so that the number of trades fits the volume.
_ORDERS_A_TRADE: Final = 1.3


def past_bars(profile: Profile, seed: int, start: int, step: int, count: int, rate: float, day: float) -> Bars:
    """The last `count` whole bars of `step` ns before `start` (ns). `rate`: mean volume per second of the busiest
    hour, base units; `day`: how much quieter the rest of the day is, as exp(day * (cos - 1))."""
    end = start // step * step
    opened = end - step * np.arange(count, 0, -1, dtype=np.int64)
    edges = np.append(opened, end)
    name = f"flowtape past {profile.symbol} {seed}"
    draw = random.Random(name)
    phases = [draw.uniform(0, 2 * math.pi) for _ in _SWINGS]
    # The newest bar draws first: how many are asked for changes none of them.
    rng = np.random.Generator(np.random.Philox(key=draw.getrandbits(64)))
    noise = rng.standard_normal((count, 4))[::-1].T
    before = (start - edges) / _FADE_NS
    bps = sum(
        amplitude * np.sin(2 * math.pi * before / hours + phase)
        for (hours, amplitude), phase in zip(_SWINGS, phases, strict=True)
    )
    fade = 1 - np.exp(-np.maximum(before, 0.0))
    wobble = _NOISE_BPS * math.sqrt(step / 60e9) * np.append(noise[0], 0.0)
    home = profile.price / float(profile.tick)
    price = np.maximum(np.rint(home * (1 + (bps * fade + wobble * fade) / 1e4)), 2).astype(np.int64)
    first, last = price[:-1], price[1:]
    reach = np.rint(home * _NOISE_BPS * math.sqrt(step / 60e9) / 1e4 * np.abs(noise[1:3])).astype(np.int64)
    high = np.maximum(first, last) + reach[0]
    low = np.maximum(np.minimum(first, last) - reach[1], 1)
    since = (opened + step // 2 - start) / _DAY
    activity = np.exp(day * (np.cos(2 * math.pi * since) - 1))
    lognormal = np.exp(_VOLUME_SPREAD * noise[3] - _VOLUME_SPREAD**2 / 2)
    volume = np.rint(rate * (step / 1e9) * activity * lognormal / float(profile.lot)).astype(np.int64)
    # Prices rise while takers buy.
    drift = (last - first) / np.maximum(high - low, 1)
    bought = np.rint(volume * np.clip(0.5 + _LEAN * (drift + 0.5 * noise[0]), 0.02, 0.98)).astype(np.int64)
    mean = (first + last + high + low) / 4
    quote = mean * float(profile.tick) * volume * float(profile.lot)
    median = profile.order_size / float(profile.lot) * _ORDERS_A_TRADE
    trades = np.maximum(np.rint(volume / median), volume > 0).astype(np.int64)
    return Bars(step, opened, first, high, low, last, volume, bought, quote, trades)
