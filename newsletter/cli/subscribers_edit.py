"""`subscribers list`, `add`, `remove`, `export`: who is on the list, by hand."""

import csv
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.console import confirm, is_interactive, iso, note, plural, say, table
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from newsletter.audience.roster import Roster
    from newsletter.audience.subscriber import Subscriber

WHERE = typer.Option("--where", metavar="EXPR", help="Only those of a segment, such as \"subscriber.city == 'Lyon'\".")
JSON = typer.Option("--json", help="JSON, for programs.")
SHOWN = 500
"""Rows of a table for people."""


def register(group: typer.Typer) -> None:
    """Add the commands of this file."""
    group.command("list")(list_)
    group.command()(add)
    group.command()(remove)
    group.command()(export)


def list_(
    context: typer.Context,
    where: Annotated[str | None, WHERE] = None,
    as_json: Annotated[bool, JSON] = False,
    everything: Annotated[bool, typer.Option("--all", help="Show every row, not the first 500.")] = False,
) -> None:
    """Show who is on the list, with tags and state: active, paused, unconfirmed or suppressed.

    With --where it says first how many match.

    \b
      newsletter subscribers list
      newsletter subscribers list --where "'vip' in subscriber.tags"
    """
    engine, roster = _open(context)
    belongs = _segment(where, roster)
    found = _states(engine, roster, belongs)
    if as_json:
        _say_json_list(found)
        return
    rows, count = [], 0
    for person, state in found:
        count += 1
        if everything or count <= SHOWN:
            joined = person.columns.get("joined", "")[:10]
            rows.append((person.email, person.name[:40], state, ", ".join(person.tags), joined))
    if where:
        total = sum(1 for _ in _states(engine, roster, None))
        note(f"{count:,} of {plural(total, 'subscriber')} match {where!r}")
    if rows:
        say(table(rows, ("email", "name", "state", "tags", "joined")))
    if count > len(rows):
        note(f"and {count - len(rows):,} more; --all shows them")
    if not count and not where:
        note("nobody is on the list; `newsletter subscribers add ada@example.org` adds somebody")


def add(
    context: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL")],
    name: Annotated[str, typer.Option("--name", help="What stands in To: beside the address.")] = "",
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; repeatable.")] = None,
    column: Annotated[
        list[str] | None, typer.Option("--column", metavar="NAME=VALUE", help="A further column; repeatable.")
    ] = None,
) -> None:
    """Put somebody on the list, or change what it says of them; safe to repeat.

    Whoever left is not put back: that is theirs to do, or `newsletter suppress remove`'s.

    \b
      newsletter subscribers add ada@example.org --name "Ada Moreau" --tag vip --column city=Lyon
    """
    from newsletter.audience.address import address_key
    from newsletter.audience.erasure import was_erased
    from newsletter.audience.events import record
    from newsletter.audience.roster import put, today
    from newsletter.audience.subscriber import JOINED, TAGS, Subscriber, join_tags, split_tags
    from newsletter.audience.suppression import suppressed
    from newsletter.audience.token import load_secret
    from newsletter.config.settings import load_config

    engine, roster = _open(context)
    address = read_address(email)
    if (stopped := suppressed(engine, address)) is not None:
        since = time.strftime("%Y-%m-%d", time.localtime(stopped.created))
        raise NewsletterError(
            f"{address} must not be mailed ({stopped.reason}, {since}); "
            f"`newsletter suppress remove {address}` allows it"
        )
    if was_erased(engine, load_secret(load_config(context.obj)), address):
        what = f"{address} asked to be erased; `newsletter suppress remove {address}` allows mail again"
        raise NewsletterError(what)
    there = roster.find(address)
    columns = dict(there.columns) if there else {}
    columns.update(_columns(column or []))
    if tag:
        columns[TAGS] = join_tags(
            (*(there.tags if there else ()), *(part for text in tag for part in split_tags(text)))
        )
    if there is None:
        columns.setdefault(JOINED, today())
    person = Subscriber(there.email if there else address, name or (there.name if there else ""), columns)
    if there == person:
        say(f"{address} is on the list already; nothing to change")
        return
    put(roster, [person])
    with engine.begin() as connection:
        record(connection, address_key(address), "changed" if there else "added", time.time(), form="cli")
    say(f"{address} is {'changed' if there else 'on the list'}")


def remove(
    context: typer.Context,
    emails: Annotated[list[str], typer.Argument(metavar="EMAIL…")],
    erase: Annotated[
        bool, typer.Option("--erase", help="Erase everything that is known about them, and never mail them again.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before erasing.")] = False,
) -> None:
    """Take people off the list. Who must never be mailed again belongs into `newsletter suppress add`.

    With --erase it erases each of them everywhere in the list and the state, and says what it erased; a keyed hash of
    the address stays, so that nobody puts them back.

    \b
      newsletter subscribers remove ada@example.org
      newsletter subscribers remove ada@example.org --erase
    """
    from newsletter.audience.address import address_key
    from newsletter.audience.events import record

    engine, roster = _open(context)
    addresses = [read_address(email) for email in emails]
    if erase:
        _erase(context, engine, roster, addresses, yes=yes)
        return
    with roster.held():
        gone = roster.remove({address_key(address) for address in addresses})
    if not gone:
        what = f"{', '.join(addresses)}: not on the list; `newsletter subscribers list` shows who is"
        raise NewsletterError(what)
    for address in addresses:
        if (key := address_key(address)) in gone:
            with engine.begin() as connection:
                record(connection, key, "removed", time.time(), form="cli")
            say(f"{address} is off the list")
        else:
            note(f"{address} is not on the list")
    if len(gone) < len({*map(address_key, addresses)}):
        raise typer.Exit(1)


def export(
    context: typer.Context,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="A file; else stdout.")] = None,
    where: Annotated[str | None, WHERE] = None,
    person: Annotated[
        str | None, typer.Option("--person", metavar="EMAIL", help="All that is known about one person, as JSON.")
    ] = None,
) -> None:
    """Write the list as CSV, with all columns; `subscribers import` reads it back without loss.

    A cell that a spreadsheet would run gets an apostrophe in front. With --person it writes, as JSON, everything that
    is known about one person: list, consent, what was sent, suppression.

    \b
      newsletter subscribers export -o list.csv
      newsletter subscribers export --person ada@example.org
    """
    engine, roster = _open(context)
    if person is not None:
        text = json.dumps(_person(engine, roster, read_address(person)), ensure_ascii=False, indent=2) + "\n"
        _write_out(output, lambda out: out.write(text) and 1)
        return
    belongs = _segment(where, roster)
    count = _write_out(output, lambda out: _write_csv(out, roster, belongs))
    if output is not None or where:
        note(plural(count, "subscriber"))


def read_address(text: str) -> str:
    """An address that was typed."""
    from newsletter.audience.address import normalize_address

    try:
        return normalize_address(text)
    except ValueError as error:
        raise NewsletterError(f"{error}; give an address such as ada@example.org") from None


def _open(context: typer.Context) -> "tuple[Engine, Roster]":
    from newsletter.audience.roster import open_roster
    from newsletter.config.settings import load_config
    from newsletter.state import open_state

    config = load_config(context.obj)
    return open_state(config), open_roster(config)


def _segment(where: str | None, roster: "Roster") -> "Callable[[Subscriber], bool] | None":
    if where is None:
        return None
    from newsletter.audience.segment import compile_segment

    return compile_segment(where, roster.columns)


def _people(roster: "Roster", belongs: "Callable[[Subscriber], bool] | None") -> "Iterator[Subscriber]":
    from newsletter.audience.subscriber import Subscriber

    for _, row in roster:
        person = getattr(row, "subscriber", row)
        if isinstance(person, Subscriber) and (belongs is None or belongs(person)):
            yield person


def _states(
    engine: "Engine", roster: "Roster", belongs: "Callable[[Subscriber], bool] | None"
) -> "Iterator[tuple[Subscriber, str]]":
    """Everybody on the list with their state, then those who have not confirmed."""
    from newsletter.audience.address import address_key
    from newsletter.audience.roster import today
    from newsletter.audience.signup import all_unconfirmed
    from newsletter.audience.subscriber import Subscriber
    from newsletter.audience.suppression import suppressed_keys

    stopped, day, there = suppressed_keys(engine), today(), set()
    waiting = {address_key(person.email): person for person in all_unconfirmed(engine)}
    for _, row in roster:
        person = getattr(row, "subscriber", row)
        if not isinstance(person, Subscriber):
            continue
        key = address_key(person.email)
        if key in waiting:
            there.add(key)
        if belongs is None or belongs(person):
            out = key in stopped or getattr(row, "left", False)  # by a column of the list
            yield person, "suppressed" if out else "paused" if person.is_paused(day) else "active"
    columns = roster.columns
    for key, person in waiting.items():
        whole = type(person)(person.email, person.name, {**dict.fromkeys(columns, ""), **person.columns})
        if key not in there and (belongs is None or belongs(whole)):
            yield person, "suppressed" if key in stopped else "unconfirmed"


def _say_json_list(found: "Iterator[tuple[Subscriber, str]]") -> None:
    """A JSON list, a person at a time, so that memory is flat."""
    from newsletter.audience.subscriber import JOINED, TAGS

    opened = False
    for person, state in found:
        fields = {
            "email": person.email,
            "name": person.name,
            "state": state,
            "columns": {name: value for name, value in person.columns.items() if name not in (TAGS, JOINED)},
            "tags": list(person.tags),
            "joined": person.columns.get(JOINED) or None,
        }
        sys.stdout.write((",\n  " if opened else "[\n  ") + json.dumps(fields))
        opened = True
    say("\n]" if opened else "[]")


def _columns(given: list[str]) -> dict[str, str]:
    from newsletter.audience.csv.header import column_name

    columns = {}
    for text in given:
        title, sign, value = text.partition("=")
        name = column_name(title)
        if not sign or not name or name in ("email", "name"):
            raise NewsletterError(f"--column {text!r}: write NAME=VALUE, such as city=Lyon")
        columns[name] = " ".join(value.split())
    return columns


_TRACES = {
    "deliveries": ("delivery", "deliveries"),
    "events": ("event",),
    "sign-ups": ("sign-up",),
    "notices": ("notice",),
    "suppressions": ("suppression",),
    "list": ("row of the list", "rows of the list"),
    "rehearsals": ("rehearsal",),
}
"""What was erased, by where it was: for one, and for many."""


def _erase(context: typer.Context, engine: "Engine", roster: "Roster", addresses: list[str], *, yes: bool) -> None:
    from newsletter.audience.erasure import erase, scrub
    from newsletter.audience.token import load_secret
    from newsletter.config.settings import load_config
    from newsletter.inbox.store import erase_from_inbox

    if not yes:
        if not is_interactive():
            raise NewsletterError("there is nobody to ask; give --yes to erase without asking")
        if not confirm(f"Erase {', '.join(addresses)} for good?"):
            raise NewsletterError("nothing was erased")
    config = load_config(context.obj)
    secret = load_secret(config)
    for address in addresses:
        counts = erase(engine, roster, secret, address, time.time())
        counts["rehearsals"] = erase_from_inbox(config.state_dir / "inbox", address)
        told = ", ".join(plural(count, *_TRACES[what]) for what, count in counts.items() if count)
        say(f"{address}: erased {told or 'nothing, for nothing was known'}; a keyed hash stays, and keeps mail away")
    if not scrub(engine):
        note("the state file is in use: run the command again later to take the last traces out of its free pages")
    note("not in reach of this command: lists that were exported, backups, git's history, the relay's log")


def _person(engine: "Engine", roster: "Roster", email: str) -> dict[str, Any]:
    from dataclasses import asdict

    from newsletter.audience.erasure import known

    found = known(engine, roster, email)
    if found.is_nobody:
        raise NewsletterError(f"nothing is known about {email}")
    shown: dict[str, Any] = _with_iso_times(asdict(found))
    return shown


def _with_iso_times(value: Any) -> Any:
    """`value` with its moments as JSON has times."""
    if isinstance(value, Mapping):
        return {
            name: iso(item) if name in ("created", "updated") and isinstance(item, float) else _with_iso_times(item)
            for name, item in value.items()
        }
    return [_with_iso_times(item) for item in value] if isinstance(value, (list, tuple)) else value


def _write_csv(out: Any, roster: "Roster", belongs: "Callable[[Subscriber], bool] | None") -> int:
    from newsletter.audience.csv.formula import guard

    columns, count = roster.columns, 0
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["email", "name", *columns])
    for person in _people(roster, belongs):
        count += 1
        writer.writerow([person.email, guard(person.name), *(guard(person.columns.get(name, "")) for name in columns)])
    return count


def _write_out(output: Path | None, write: Callable[[Any], int]) -> int:
    """Write to a file, whole or not at all and readable by its owner alone, or to stdout."""
    if output is None:
        sys.stdout.flush()
        with io.TextIOWrapper(os.fdopen(os.dup(sys.stdout.fileno()), "wb"), encoding="utf-8", newline="") as out:
            return write(out)
    draft = output.with_name(f".{output.name}.part")
    try:
        with open(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline=""
        ) as out:
            count = write(out)
        draft.replace(output)
    except OSError as error:
        raise NewsletterError(f"can't be written ({error.strerror}); name another file", path=output) from None
    finally:
        draft.unlink(missing_ok=True)
    return count
