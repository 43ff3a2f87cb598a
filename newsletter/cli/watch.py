"""`status --watch`: how an issue goes, live; a picture on a terminal, lines elsewhere, JSON for programs."""

import shlex
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from newsletter.cli.console import human_seconds, json_text, plural, say

if TYPE_CHECKING:
    from rich.console import RenderableType

_COUNTED = ("sent", "pending", "sending", "deferred", "failed", "unknown", "skipped")
_NAMED = 8
"""So many workers are named; the rest is counted."""
_COLOURS = {"sent": "green", "deferred": "yellow", "failed": "red", "unknown": "red"}
_STEADY = (*_COUNTED, "state", "sender")
"""What makes a new line, where there is no terminal."""


def show_looks(looks: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    """Show each look at an issue until there is no further one."""
    if sys.stdout.isatty() and not as_json:
        _show_live(looks)
        return
    seen: list[Any] = []
    for now in looks:
        if (steady := [now[key] for key in _STEADY]) != seen:
            seen = steady
            if as_json:
                print(json_text(now), flush=True)  # noqa: T201 (a program reads it line by line)
            else:
                say(f"{datetime.now():%H:%M:%S}  {one_line(now)}")
                sys.stdout.flush()


def one_line(now: Mapping[str, Any]) -> str:
    """`running: 40 of 60 sent, 20 pending; 4.0/s, about 5.0 s`."""
    counts = [f"{now[state]:,} {state}" for state in _COUNTED[1:] if now[state]]
    counts.insert(0, f"{now['sent']:,} of {now['recipients']:,} sent")
    if workers := now.get("workers"):
        counts.append(plural(len(workers), "worker"))
    return f"{state_word(now)}: {', '.join(counts)}" + (f"; {_pace(now)}" if _pace(now) else "")


def state_word(issue: Mapping[str, Any]) -> str:
    """The issue's state; "stopped" where nobody sends what is to be sent, "queued" where no worker is there yet."""
    if issue["state"] == "running" and not (issue["sender"] or issue.get("workers")):
        return "queued" if issue.get("queued") else "stopped"
    return str(issue["state"])


def say_workers(issue: Mapping[str, Any]) -> str:
    """`3 workers: db1 (412, 2 shards), db2 (97)`; empty where there are none."""
    workers = issue.get("workers") or []
    named = [
        f"{one['host']} ({one['pid']}{', ' + plural(one['shards'], 'shard') if one['shards'] else ''})"
        for one in workers[:_NAMED]
    ]
    more = f" and {len(workers) - _NAMED} more" if len(workers) > _NAMED else ""
    return f"{plural(len(workers), 'worker')}: {', '.join(named)}{more}" if workers else ""


def _pace(now: Mapping[str, Any]) -> str:
    """How fast, and how long yet, while it goes."""
    if not now["rate"] or now["state"] != "running":
        return ""
    rate = f"{now['rate']:,.0f}/s" if now["rate"] >= 10 else f"{now['rate']:.1f}/s"
    return rate + (f", about {human_seconds(now['seconds_left'])} left" if now["seconds_left"] else "")


def _show_live(looks: Iterable[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        for now in looks:
            live.update(_picture(now), refresh=True)


def _picture(now: Mapping[str, Any]) -> "RenderableType":
    """State and bar, what is counted, the relays, the refusals."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    settled = now["recipients"] - now["pending"] - now["sending"] - now["deferred"]
    head = Text.assemble((now["issue"], "bold"), "  ", state_word(now), f"  {_pace(now)}" if _pace(now) else "")
    counts = Text(", ").join(
        Text(f"{now[state]:,} {state}", _COLOURS.get(state, "")) for state in _COUNTED if now[state] or state == "sent"
    )
    bar = Table.grid()  # a line of its own
    bar.add_row(ProgressBar(total=max(now["recipients"], 1), completed=settled, width=60, complete_style="green"))
    parts: list[RenderableType] = [head, bar, counts]
    if hint := _hint(now):
        parts.append(Text(hint, "dim"))
    if workers := say_workers(now):
        parts += ["", Text(workers)]
    if now["relays"]:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("relay", overflow="fold")
        for name in ("sent", "deferred", "failed", "unknown", "rate"):
            table.add_column(name, justify="right")
        for one in now["relays"]:
            cells = [f"{one[name]:,}" if one[name] else "" for name in ("sent", "deferred", "failed", "unknown")]
            table.add_row(one["relay"], *cells, f"{one['rate']:,}/s" if one["rate"] and _pace(now) else "")
        parts += ["", table]
    if now["refusals"]:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(justify="right")
        table.add_column(overflow="fold")
        for one in now["refusals"]:
            table.add_row(f"{one['count']:,} ×", one["reply"])
        parts += ["", table]
    return Group(*parts)


def _hint(now: Mapping[str, Any]) -> str:
    """What to do, where something waits for somebody."""
    issue = shlex.quote(now["issue"])
    if now["state"] == "paused":
        return f"`newsletter resume {issue}` goes on"
    if now["state"] == "scheduled":
        moment = datetime.fromisoformat(now["starts"]).astimezone()
        return f"begins {moment:%a} {moment.day} {moment:%B %Y, %H:%M}" + (
            "" if now["sender"] or now.get("queued") else "; nobody waits for it"
        )
    if state_word(now) == "queued":
        return "no worker is there; `newsletter worker` sends it, on any host"
    return f"nobody sends it; `newsletter send {issue}` goes on" if state_word(now) == "stopped" else ""
