"""Every action of the monitor, once: key bindings, command palette, help screen and the README's table read this."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from textual.binding import Binding
from textual.keys import KEY_ALIASES, Keys

APP = "app"  # available everywhere, also over a dialog where the key is not typed text
MAIN = "main"  # on the main screen


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a user can do."""

    id: str  # what the configuration's [keys] names
    keys: tuple[str, ...]  # Textual's key names
    title: str
    tooltip: str
    group: str
    scope: str = MAIN
    call: str = ""  # Textual action; the id when empty
    replay: bool = False  # only while a recording plays
    priority: bool = False  # before any focused widget

    @property
    def action(self) -> str:
        """The Textual action string."""
        return self.call or self.id

    def binding(self) -> Binding:
        """As a remappable key binding."""
        return Binding(
            ",".join(self.keys),
            self.action,
            self.title,
            show=False,
            tooltip=self.tooltip,
            id=self.id,
            priority=self.priority,
        )


def _panel(key: str, panel: str, title: str) -> Action:
    return Action(
        f"panel_{panel}",
        (key,),
        title,
        f"Go to the {title.lower()} panel; on a small screen, show it beside the ladder",
        "Panels",
        call=f"panel('{panel}')",
    )


ACTIONS: tuple[Action, ...] = (
    Action("quit", ("q",), "Quit", "Leave the monitor; the terminal is left as it was", "General", APP),
    Action(
        "quit_now",
        ("ctrl+c", "ctrl+q"),
        "Quit at once",
        "Leave from anywhere, also from a dialog",
        "General",
        APP,
        "quit",
        priority=True,
    ),
    Action("help", ("question_mark", "f1"), "Help", "Keys, panels and the meaning of every metric", "General", APP),
    Action(
        "palette",
        ("ctrl+p", "colon"),
        "Command palette",
        "Find any of these actions by typing",
        "General",
        APP,
        "command_palette",
    ),
    Action("theme", ("t",), "Next theme", "Step through the colour themes", "General", APP),
    Action("notices", ("I",), "Notices", "List what sources and the engine had to say", "General", APP),
    Action(
        "number",
        ("i",),
        "Explain number",
        "Where one number comes from: meaning, window, coverage, gaps, age of its input; choose it or type any",
        "Display",
    ),
    Action(
        "explain",
        ("e",),
        "Explain panel",
        "Where each number of the focused panel comes from: meaning, window, coverage, gaps, age, warm-up",
        "Display",
    ),
    Action(
        "redraw", ("ctrl+l",), "Redraw", "The whole screen again, when another program wrote over it", "General", APP
    ),
    Action(
        "suspend",
        ("ctrl+z",),
        "Suspend",
        "Back to the shell; `fg` returns",
        "General",
        APP,
        "suspend_process",
        priority=True,
    ),
    Action(
        "pause",
        ("space",),
        "Pause display",
        "Hold the picture still; the engine runs on and alerts still sound",
        "Display",
        APP,
    ),
    Action("zoom", ("z",), "Zoom panel", "The focused panel alone on the whole screen, and back", "Display"),
    Action("back", ("escape",), "Back", "Leave zoom, or a dialog", "Display"),
    Action(
        "shorter",
        ("left_square_bracket",),
        "Shorter timeframe",
        "A chart column covers less time",
        "Display",
        call="timeframe(-1)",
    ),
    Action(
        "longer",
        ("right_square_bracket",),
        "Longer timeframe",
        "A chart column covers more time",
        "Display",
        call="timeframe(1)",
    ),
    Action(
        "tape_min",
        ("x",),
        "Smallest print",
        "Step the smallest trade the tape shows: all, 1k, 10k, 100k, 1M",
        "Display",
    ),
    Action("copy", ("y",), "Copy numbers", "Copy the market's numbers as one line to the clipboard", "Display", APP),
    _panel("1", "ladder", "Depth ladder"),
    _panel("2", "cvd", "CVD and price"),
    _panel("3", "imbalance", "Imbalance"),
    _panel("4", "toxicity", "Toxicity"),
    _panel("5", "flow", "Flow"),
    _panel("6", "alerts", "Alerts"),
    _panel("7", "tape", "Tape"),
    _panel("8", "cost", "Cost and impact"),
    _panel("9", "risk", "Volatility and risk"),
    _panel("0", "signal", "Signal"),
    _panel("v", "profile", "Profile and pattern"),
    _panel("l", "liquidity", "Liquidity"),
    _panel("o", "members", "Venues of a composite"),
    Action("layout", ("L",), "Next layout", "Other panels: the layouts by name, yours too", "Panels", call="layout(1)"),
    Action("save_layout", ("S",), "Save layout", "Keep these panels as a layout in your configuration", "Panels", APP),
    Action(
        "next_panel",
        ("tab",),
        "Next panel",
        "Focus the next panel; on a small screen, show it",
        "Panels",
        call="cycle_panel(1)",
    ),
    Action(
        "previous_panel",
        ("shift+tab",),
        "Previous panel",
        "The same the other way round",
        "Panels",
        call="cycle_panel(-1)",
    ),
    Action("recentre", ("c",), "Recentre ladder", "Put the mid price in the middle of the ladder", "Ladder"),
    Action(
        "follow",
        ("f",),
        "Follow mid",
        "Keep the mid price in the middle all the time, or let prices stand still",
        "Ladder",
    ),
    Action(
        "coarser", ("plus", "equals_sign"), "Coarser prices", "A ladder row holds more ticks", "Ladder", call="group(1)"
    ),
    Action("finer", ("minus",), "Finer prices", "A ladder row holds fewer ticks", "Ladder", call="group(-1)"),
    Action("ladder_up", ("up", "k"), "Ladder up", "Look at higher prices", "Ladder", call="scroll(1)"),
    Action("ladder_down", ("down", "j"), "Ladder down", "Look at lower prices", "Ladder", call="scroll(-1)"),
    Action(
        "next_market", ("n", "right"), "Next market", "Show the next market of the strip", "Markets", call="market(1)"
    ),
    Action("previous_market", ("N", "left"), "Previous market", "Show the one before", "Markets", call="market(-1)"),
    Action("search", ("slash",), "Find market", "Find a market by typing a part of its name", "Markets", APP),
    Action(
        "position",
        ("P",),
        "Your position",
        "Enter what you hold here, for profit, liquidation and value at risk; nothing is sent anywhere",
        "Markets",
    ),
    Action(
        "anchor",
        ("b",),
        "Begin profile at",
        "Anchor the profile, with its VWAP and delta, at a time of your own; empty: the session",
        "Markets",
    ),
    Action("add_alert", ("a",), "Add alert", "Watch a metric for a level; kept in your configuration", "Alerts", APP),
    Action(
        "alert_here",
        ("w",),
        "Alert here",
        "Watch a number of the focused panel, or a price of the ladder (there a double click does the same)",
        "Alerts",
    ),
    Action(
        "alert_list",
        ("r",),
        "Alerts and rules",
        "All rules and what they told: open, edit, switch, snooze, delete",
        "Alerts",
        APP,
    ),
    Action(
        "mute_all", ("M",), "Mute all alerts", "List alerts and announce none, by no channel; and back", "Alerts", APP
    ),
    Action("acknowledge", ("A",), "Acknowledge", "Take all alerts as seen: clears the badge", "Alerts", APP),
    Action("mute", ("m",), "Mute bell", "Alerts without bell and desktop notification, and back", "Alerts", APP),
    Action("playback", ("p",), "Pause tape", "Stop and go on playing the recording", "Replay", replay=True),
    Action("slower", ("less_than_sign",), "Slower", "Play at half the speed", "Replay", call="speed(-1)", replay=True),
    Action(
        "faster", ("greater_than_sign",), "Faster", "Play at twice the speed", "Replay", call="speed(1)", replay=True
    ),
    Action(
        "seek_back",
        ("comma",),
        "Back 10 s",
        "Ten seconds back in the recording",
        "Replay",
        call="seek(-10)",
        replay=True,
    ),
    Action(
        "seek_on", ("full_stop",), "On 10 s", "Ten seconds on in the recording", "Replay", call="seek(10)", replay=True
    ),
)

BY_ID: Mapping[str, Action] = {action.id: action for action in ACTIONS}

_SIGNS = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "comma": ",",
    "full_stop": ".",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "escape": "Esc",
    "space": "Space",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
}
_NAMES = {sign: name for name, sign in _SIGNS.items() if len(sign) == 1}
_NAMED = frozenset(str(key.value) for key in Keys) | frozenset(KEY_ALIASES) | frozenset(_SIGNS)


def bindings(scope: str) -> list[Binding]:
    """The key bindings of the app or the main screen."""
    return [action.binding() for action in ACTIONS if action.scope == scope]


def key_text(key: str) -> str:
    """A key as people write it: `?`, `Ctrl+P`, `Shift+Tab`."""
    if key in _SIGNS:
        return _SIGNS[key]
    if len(key) == 1:
        return key
    return "+".join(part.capitalize() for part in key.split("+"))


def keys_of(action: Action, keymap: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of an action, after the user's own."""
    own = keymap.get(action.id)
    return action.keys if own is None else _split(own)


def grouped(replay: bool) -> dict[str, list[Action]]:
    """The actions by group, in order; those of a replay only when one plays."""
    groups: dict[str, list[Action]] = {}
    for action in ACTIONS:
        if replay or not action.replay:
            groups.setdefault(action.group, []).append(action)
    return groups


def check_keys(mapping: Mapping[str, str]) -> list[str]:
    """What is wrong with the user's [keys]: unknown ids, unreadable keys, one key for two actions. Empty: nothing."""
    problems: list[str] = []
    for action_id, text in mapping.items():
        if action_id not in BY_ID:
            close = difflib.get_close_matches(action_id, list(BY_ID), n=1, cutoff=0.5)
            hint = f", did you mean {close[0]!r}?" if close else "; the ids stand in the README's table of keys"
            problems.append(f"keys.{action_id[:40]}: no such action{hint}")
            continue
        keys = _split(text)
        if not keys:
            problems.append(f"keys.{action_id}: no key given; write one such as 'f5', or several such as 'space,p'")
        problems += [
            f"keys.{action_id}: {key[:40]!r} is no key; write a character, 'comma', 'f5', 'ctrl+s', 'up', …"
            for key in keys
            if not _is_key(key)
        ]
    owner: dict[str, str] = {}
    for action in ACTIONS:
        for key in dict.fromkeys(keys_of(action, mapping)):
            if key in owner and (action.id in mapping or owner[key] in mapping):
                problems.append(
                    f"keys.{action.id}: {key_text(key)} already does {owner[key]!r}; give that another key too"
                )
            owner.setdefault(key, action.id)
    return problems


def usable_keys(mapping: Mapping[str, str]) -> dict[str, str]:
    """The entries of [keys] that can be used: those of known actions with readable keys."""
    return {
        action_id: ",".join(_split(text))
        for action_id, text in mapping.items()
        if action_id in BY_ID and _split(text) and all(_is_key(key) for key in _split(text))
    }


def readme_table() -> str:
    """The table of keys of the README, in Markdown."""
    lines = ["| Key | Action | `[keys]` id | What it does |", "|---|---|---|---|"]
    for action in ACTIONS:
        keys = " ".join(f"`{key_text(key)}`" for key in action.keys)
        title = f"{action.title} (replay)" if action.replay else action.title
        lines.append(f"| {keys} | {title} | `{action.id}` | {action.tooltip} |")
    return "\n".join(lines) + "\n"


def _split(text: str) -> tuple[str, ...]:
    return tuple(_NAMES.get(key, key) for key in (part.strip() for part in text.split(",")) if key)


def _is_key(key: str) -> bool:
    *modifiers, name = key.split("+")
    return all(modifier in ("ctrl", "shift", "alt") for modifier in modifiers) and (
        (len(name) == 1 and name.isprintable() and not name.isspace()) or name in _NAMED
    )
