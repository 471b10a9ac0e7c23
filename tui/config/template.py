"""The commented configuration that `flowtape config init` writes: every key with its default, and examples.

Prose starts with "# ", a setting with "#" and its name: taking that one character away switches the line on.
"""

from __future__ import annotations

from pathlib import Path

from tui.config.editing import write_atomically
from tui.config.problems import ConfigError

TEMPLATE = """\
# Configuration of flowtape. A line that starts with "#" and a name shows a default: take the "#" away to change it.
# Flags go before environment variables, those before this file. `flowtape config show` tells what is in effect.
# Windows and waits are written as "500ms", "10s", "5m", "4h", "1d".

# Markets to open when none is named on the command line, as venue:SYMBOL. None here either: the simulated ones.
#markets = ["binance:BTC/USDT", "binance:ETH/USDT:USDT"]

# Keep what the metrics of live markets stand on (every 30 s and at the end), and go on from there when flowtape is
# started again on the same UTC day. The flag --fresh begins anew once.
#checkpoint = true

# A file of the themes folder, without ".toml". With this default bids are blue and asks orange.
#theme = "okabe-dark"

# Pictures a second at most. A link that cannot carry so many gets fewer by itself.
#fps = 10.0

# Ready alert rules (`flowtape alerts list` shows their conditions):
#   "toxic-flow": VPIN at one of its three speeds is as high as almost never in its own history
#   "one-sided-flow": takers of the last 30 s are on one side, far beyond chance
#   "order-flow-pressure": order-flow imbalance at the best prices is extreme against the last hour
#   "lopsided-book": the best 5 levels lean to one side for seconds
#   "expensive-book": a market order for 100k of quote currency would cost more than 10 bps
#   "thin-book": the book within 10 bps holds less than 30 % of what it usually does
#   "wide-spread": the spread is three times its median of a day
#   "unusual-volume": much more is traded than at this time of other days
#   "volatility-burst": volatility of the last minute is three times that of the last hour
#   "drawdown": the price is 3 % below its high of the last hour
#   "big-sweep": one taker took more at once than almost any in a day
#   "stretched-price": the price is 3 standard deviations away from the session's VWAP
#   "silent-feed": neither trades nor book have been heard of for 5 s
# An empty list switches them off. Rules of your own ([[alerts]], below) come in addition.
#presets = ["toxic-flow", "one-sided-flow"]

[windows]
# How far back delta, trade imbalance and pace look when flowtape opens.
#flow = "60s"
# The same for order-flow imbalance.
#ofi = "10s"
# What one column of a chart stands for when flowtape opens, in whole seconds.
#chart = "1s"

[layout]
# Which panels are shown where: "default", "scalp", "toxicity", "cost", "risk", or one of your own ([layouts], below).
#name = "default"
# The panel beside the ladder on a small screen.
#beside = "cvd"
# Characters that bars and charts are drawn with: "braille", "block", "ascii", or "auto" by what the terminal can show.
#glyphs = "auto"

[terminal]
# Colours: "auto" by what the terminal says of itself (`flowtape doctor` tells), "truecolor", "256", "16", "none".
#color = "auto"
# The mouse: "on", "off", or "auto": off over SSH, where each cell that it crosses would travel.
#mouse = "auto"
# How pictures are sent: "thrifty" only what changed and no faster than the link takes it, "stock" as Textual does by
# itself; "auto" is thrifty wherever the terminal is known to understand it.
#driver = "auto"
# For links that are slow or paid for: two pictures a second at most, 256 colours, no mouse.
#low_bandwidth = false

[tape]
# Trades worth less than this are not listed, in the quote currency. They count in every metric all the same.
#minimum = 0.0

[keys]
# Other keys for an action, by the id that the help screen (?) shows; several are separated by commas.
#pause = "space,p"

[simulator]
# The same seed gives the same market.
#seed = 1
#markets = ["BTC/USDT", "ETH/USDT"]

[notify]
# What the terminal does when an alert fires. `flowtape notify test` tries it and says what to set.
# Its bell; tmux, screen and SSH pass it on.
#bell = true
# A notification on the desktop, by what the terminal understands ("auto"): "osc9", "osc777", "osc99", or "none".
#desktop = "auto"
# How many alerts you have not seen yet, in the window's title.
#title = true
# What is less severe than this stays silent: "info", "warning", "high".
#severity = "info"
# A market whose book or trades can't be relied on for so long is told like an alert of severity "high".
#trouble_after = "10s"

# Other addresses of an exchange: a test network, a mirror, a local server. `rest` and `ws` stand for all of it.
#[venues.binance]
#rest = "https://testnet.example"
#ws = "wss://testnet.example"

# One instrument on several exchanges as one market: flowtape composite:BTC. Flow is summed in base units. A member that
# is quoted in another currency needs the market that tells the rate.
#[composites.BTC]
#markets = ["binance:BTC/USDT", "bybit:BTC/USDT", "coinbase:BTC/USD"]
#rates = { USD = "kraken:USDT/USD" }

# What you pay on an exchange, or on its markets of one kind ("binance:spot", "binance:linear", "binance:inverse").
# A tier is [30-day volume from which on it applies, maker fee, taker fee]; fees in basis points, negative = a rebate.
# `volume` is what you traded in the last 30 days, `date` the day you read the fees. Copy them from your account.
#[fees."binance:linear"]
#tiers = [[0, 2.0, 5.0], [15_000_000, 1.6, 4.0]]
#volume = 0.0
#date = 2026-01-31

# A layout of your own: up to four columns of panels, from left to right. L steps through all layouts.
#[layouts.mine]
#columns = [["ladder"], ["cost", "risk"], ["signal", "tape"]]

# An alert fires once when its condition has held for the time given by `for`; it can fire again when the metric has
# come back beyond the level `rearm` (a condition is possible too; without it: `when` is no longer true) and stayed
# there for `keep_firing_for`. It is announced at most once in `cooldown`, and again every `repeat` while it goes on;
# when nobody knows the value for `stale_after` it is over. `on` is a market, a pattern such as "binance:*", or several
# with commas. `severity` is "info", "warning" or "high". `message` may name {value} {level} {pctl} {peak} {mid} and
# more. What `when` can say, and how often it would have fired on a recording: flowtape alerts --help.
#[[alerts]]
#name = "book leans to the bid"
#when = "imbalance(5) > 0.7"
#on = "*"
#for = "3s"
#rearm = 0.5
#keep_firing_for = "0s"
#cooldown = "5m"
#repeat = "never"
#stale_after = "10s"
#expires = "2030-12-31"
#severity = "warning"
#message = ""
#enabled = true

# When alerts below a severity are listed and not announced, by the time of the market's events. The same time twice:
# never.
[quiet_hours]
#from = "00:00"
#to = "00:00"
# "local", or a time zone such as "Europe/Berlin".
#zone = "local"
#below = "high"

# Where alerts go besides the screen, each with a name. Common to all kinds: `severity` is the least that is sent,
# `rules` and `markets` are names or patterns, `events` any of "fired", "resolved", "trouble" (of a feed); more than
# `burst` a minute are summed up in one line; a try may take `timeout`; after `give_up` an alert is no longer tried.
# Passwords and tokens come from the environment (`…_env`) or from a file that only you can read (`…_file`, mode 600).
#[[sinks]]
#name = "ops"
#kind = "webhook"
#url = "https://example.org/hook"
#secret_env = "FLOWTAPE_HOOK_SECRET"
#severity = "info"
#rules = ["*"]
#markets = ["*"]
#events = ["fired", "trouble"]
#burst = 20
#timeout = "10s"
#give_up = "1d"

# Telegram, Discord, Slack, ntfy, Pushover, e-mail and many more through the library apprise (flowtape[notify]).
# The variable holds one of its URLs, such as ntfy://mytopic
#[[sinks]]
#name = "phone"
#kind = "apprise"
#url_env = "FLOWTAPE_PHONE"
#severity = "high"

# A program, without a shell; the alert comes as JSON on its standard input.
#[[sinks]]
#name = "script"
#kind = "command"
#command = ["/usr/local/bin/on-alert", "--loud"]

# A file that gets one line of JSON for each alert.
#[[sinks]]
#name = "log"
#kind = "file"
#path = "~/flowtape-alerts.jsonl"
"""


def write_template(path: Path, *, force: bool = False) -> None:
    """Write TEMPLATE. Raises ConfigError when there is a file already (unless `force`) or it cannot be written."""
    if not force and (path.exists() or path.is_symlink()):
        raise ConfigError(f"{path}: there already, nothing was written (--force replaces it)")
    write_atomically(path, TEMPLATE)
