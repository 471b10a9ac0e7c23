"""Writes what the documentation says from what the program knows: keys, metrics, and the screenshot.

python docs/generate.py          keys.md and metrics.md
python docs/generate.py picture  also screenshot.svg, from the simulated market (a minute of it)
"""

from __future__ import annotations

import asyncio
import re
import sys
from itertools import count
from pathlib import Path

HERE = Path(__file__).parent


def keys() -> str:
    """docs/keys.md"""
    from tui.actions import readme_table

    return (
        "# Keys\n\n`?` shows this list in the monitor, with the keys as you have set them. "
        "Any of them can be changed in the configuration by its id:\n\n"
        '```toml\n[keys]\npause = "space,f5"\n```\n\n' + readme_table()
    )


def metrics() -> str:
    """docs/metrics.md"""
    from engine.metrics.registry import listing

    lines = [
        "# Metrics",
        "",
        "These names work in `flowtape stream --metrics`, in alert rules and in the metric picker of the monitor. "
        "Unknown is `null`, never 0. Sizes are in base units (inverse contracts: in quote units), windows are "
        "(t−W, t] on the market's own clock. `flowtape stream --list` prints the same list.",
        "",
    ]
    group = None
    for row in listing():
        if row.group != group:
            group = row.group
            lines += [f"\n## {group}\n", "| Metric | Unit | Meaning | Warm-up |", "|---|---|---|---|"]
        cells = (f"`{row.usage}`", row.unit, row.meaning, row.warmup)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


async def picture() -> str:
    """docs/screenshot.svg: the monitor after some minutes of the simulated market, headless."""
    from connectors.simulator import SimulatedFeed
    from engine.alerts.presets import PRESETS
    from engine.metrics.names import parse_metrics
    from engine.runtime import Runtime
    from tui.app import AppOptions, FlowtapeApp
    from tui.commands.sources import SIMULATED_START
    from tui.panels import flow, glyphs, imbalance, toxicity
    from tui.session import Session

    glyphs.use("block")  # every font has them
    pace = _Pace(until=9 * 60.0)
    feed = SimulatedFeed(
        ["BTC/USDT", "ETH/USDT"],
        start_ns=SIMULATED_START,
        duration_ns=int((pace.until + 4) * 1e9),
        clock=lambda: pace.now,
        sleep=pace.sleep,
    )
    wanted = parse_metrics(",".join((*imbalance.METRICS, *toxicity.METRICS, *flow.metrics())))
    rules = [rule for name in ("toxic-flow", "one-sided-flow") for rule in PRESETS[name]]
    runtime = Runtime([feed], rules=rules, metrics=wanted, chart=True)
    await runtime.run()
    end = max(market.t for market in runtime.markets.values())
    frames = count()
    options = AppOptions(fps=0, freeze=False, wall=lambda: end, clock=lambda: next(frames) / 10)
    app = FlowtapeApp(Session(runtime, feed.markets, None), None, options)
    async with app.run_test(size=(132, 42)) as pilot:
        for _ in range(30):
            app.tick()
            await pilot.pause()
        return tidy(app.export_screenshot(title="flowtape"))


class _Pace:
    """A simulated market's clock: minutes in a moment up to `until` seconds, then as time passes."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        """As asyncio.sleep."""
        if self.now < self.until:
            self.now += 3.0
            await asyncio.sleep(0)
        else:
            self.now += seconds
            await asyncio.sleep(seconds)


def tidy(svg: str) -> str:
    """No fonts from elsewhere: whatever monospaced font the reader has."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code", "ui-monospace, SFMono-Regular, Menlo, DejaVu Sans Mono, Consolas")


def main() -> None:
    """Write the files."""
    (HERE / "keys.md").write_text(keys(), "utf-8")
    (HERE / "metrics.md").write_text(metrics(), "utf-8")
    if "picture" in sys.argv[1:]:
        (HERE / "screenshot.svg").write_text(asyncio.run(picture()), "utf-8")


if __name__ == "__main__":
    main()
