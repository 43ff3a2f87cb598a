"""Links of mails that were really sent: what a relay was given is what the pages answer to, while the send runs."""

import asyncio
import email
import email.policy
import json
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from newsletter.audience.suppression import suppressed
from tests.cli.command import run_command
from tests.delivery.relay_server import RelayServer, Talk, serving
from tests.web.public.site import Site, public_site

PEOPLE = 30


async def newsletter(site: Site, *arguments: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(run_command, arguments, site.folder, os.environ)
    return done.returncode, done.stdout, done.stderr


def links(message: bytes) -> dict[str, str]:
    """The addresses in a message: of its header, and of its visible links."""
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    header = re.search(r"<(https:[^>]*)>", parsed["List-Unsubscribe"])
    body = parsed.get_body(("html",))
    assert header is not None
    assert body is not None
    found = {"header": header[1]}
    for href in re.findall(r'href="(https://news[^"]*)"', body.get_content()):
        found[urlsplit(href).path.split("/")[2]] = href
    return found


@pytest.mark.parametrize("source", ["subscribers.csv", "database"])
async def test_who_leaves_by_an_issue_gets_no_other_and_the_issue_is_named(tmp_path: Path, source: str) -> None:
    (tmp_path / "posts").mkdir()
    for slug in ("first", "second"):
        (tmp_path / "posts" / f"{slug}.md").write_text(
            f"---\ntitle: {slug.title()}\n---\nWords enough for the {slug} issue.\n"
        )
    rows = "".join(f"p{number}@example.org,P{number}\n" for number in range(PEOPLE))
    (tmp_path / "people.csv").write_text(f"email,name\n{rows}")
    if source != "database":
        (tmp_path / source).write_text("email,name\n")
    async with public_site(tmp_path, source=source, path="/letters") as site, serving(RelayServer()) as relay:
        code, out, err = await newsletter(site, "subscribers", "import", "people.csv", "--yes", "--json")
        assert (code, json.loads(out)["added"]) == (0, PEOPLE), err
        code, _, err = await newsletter(site, "send", "first", "--yes", "--force", "--smtp", relay.url)
        assert code == 0, err
        assert len(relay.accepted) == PEOPLE
        found = links(dict(relay.accepted)["p3@example.org"])
        assert found["header"].startswith("https://news.example.org/letters/u/")
        for kind in ("u", "p"):
            assert (await site.get(found[kind].removeprefix(site.public.base))).status == 200
        answer = await site.post(found["header"].removeprefix(site.public.base), {"List-Unsubscribe": "One-Click"})
        assert (answer.status, answer.text) == (200, "")
        stopped = suppressed(site.public.engine, "p3@example.org")
        assert stopped is not None
        assert stopped.issue == "first"
        code, out, _ = await newsletter(site, "status", "first", "--json")
        assert (json.loads(out)["unsubscribed"], json.loads(out)["reasons"]) == (1, {})
        await site.post(found["header"].removeprefix(site.public.base), {"reason": "never"})
        code, out, _ = await newsletter(site, "status")
        assert "first, who left: 1 never signed up" in out

        relay.accepted.clear()
        leaver = f"p{PEOPLE - 1}@example.org"
        path = f"/u/{site.token('unsubscribe', leaver, 'first')}"
        loop, left = asyncio.get_running_loop(), asyncio.Event()

        async def leave() -> None:
            await site.post(path, {"List-Unsubscribe": "One-Click"})
            left.set()

        tasks: list[asyncio.Task[None]] = []

        def slow(talk: Talk, what: str, argument: str) -> str | None:
            if what == "." and not tasks:
                tasks.append(loop.create_task(leave()))
            return None

        relay.script = slow
        code, out, err = await newsletter(
            site, "send", "second", "--yes", "--force", "--json", "--smtp", f"{relay.url}?connections=1&rate=10/s"
        )
        assert code == 0, err
        await left.wait()
        assert "p3@example.org" not in relay.addresses
        assert leaver not in relay.addresses
        assert json.loads(out)["sent"] == PEOPLE - 2


async def test_imported_people_are_asked_first_and_join_by_their_mail(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("email,name,city\nada@example.org,Ada M.,Lyon\nzoe@example.org,Zoe,Graz\n")
    async with public_site(tmp_path) as site, serving(RelayServer()) as relay:
        config = tmp_path / "newsletter.toml"
        config.write_text(config.read_text() + f'[smtp]\nurl = "{relay.url}"\n')
        for sent in (1, 0):
            code, _, err = await newsletter(site, "subscribers", "import", "people.csv", "--confirm", "--yes")
            assert code == 0, err
            assert f"{sent} confirmation mail" in err
        ((address, message),) = relay.accepted
        assert address == "zoe@example.org"
        assert site.public.roster.find("zoe@example.org") is None
        body = email.message_from_bytes(message, policy=email.policy.default).get_body(("plain",))
        assert body is not None
        link = re.search(r"https://news\.example\.org(/c/\S+?)>", body.get_content())
        assert link is not None
        assert (await site.post(link[1])).status == 200
        person = site.public.roster.find("zoe@example.org")
        assert person is not None
        assert (person.name, person.columns["city"]) == ("Zoe", "Graz")
