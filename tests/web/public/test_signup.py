"""Somebody joins: form, confirmation, and what keeps floods and machines out."""

import asyncio
import hashlib
import re
import sqlite3
from pathlib import Path

from newsletter.audience.erasure import erase
from newsletter.audience.events import events_of
from newsletter.audience.notices import next_due, take
from newsletter.audience.signup import ask
from newsletter.audience.subscriber import Subscriber
from newsletter.audience.suppression import suppress, suppressed
from newsletter.audience.token import make_token
from newsletter.delivery.notices import send_due
from newsletter.smtp.relay import parse_relay
from newsletter.web.public.challenge import CROWD, Limits, admit
from newsletter.web.public.mails import Mails
from tests.delivery.relay_server import RelayServer, serving
from tests.web.public.site import ADA, ONE_CLICK, Site, owed, public_site


async def form_of(site: Site) -> str:
    found = re.search(r'name="stamp" value="([^"]+)"', (await site.get("/")).text)
    assert found is not None
    site.now[0] += 5
    return found[1]


async def test_somebody_joins_by_form_and_confirmation(site: Site) -> None:
    answer = await site.post(
        "/subscribe", {"email": "Zoe@Example.org", "name": "Zoë", "tags": "essays", "stamp": await form_of(site)}
    )
    assert answer.status == 200
    assert site.public.roster.find("zoe@example.org") is None
    assert [(notice.kind, notice.email) for notice in owed(site)] == [("confirm", "Zoe@example.org")]
    path = f"/c/{make_token(site.public.secret, 'confirm', 'Zoe@example.org', '')}"
    assert "<button" in (await site.get(path)).text
    assert site.public.roster.find("zoe@example.org") is None
    assert (await site.post(path)).status == 200
    person = site.public.roster.find("zoe@example.org")
    assert person is not None
    assert (person.email, person.name, person.tags) == ("Zoe@example.org", "Zoë", ("essays",))
    assert [notice.kind for notice in owed(site)] == ["welcome"]
    consent = {event.kind: event.detail for event in events_of(site.public.engine, "zoe@example.org")}
    assert consent["asked"]["network"] == "127.0.0.0/24"
    assert "By subscribing you agree" in consent["asked"]["words"]
    assert consent["asked"]["form"] == "form"
    assert "confirmed" in consent
    assert (await site.post(path)).status == 200
    assert not owed(site)


async def test_all_get_the_same_answer(site: Site) -> None:
    suppress(site.public.engine, "bad@example.org", "complaint", "feedback", 1)
    erase(site.public.engine, site.public.roster, site.public.secret, "quixote@example.org", 1)
    stamp = await form_of(site)
    answers = {
        (await site.post("/subscribe", {"email": email, "stamp": stamp})).text
        for email in (ADA, "bad@example.org", "Quixote@example.org", "new@example.org", "new@example.org")
    }
    assert len(answers) == 1
    assert [notice.email for notice in owed(site)] == ["new@example.org"]
    with sqlite3.connect(site.folder / "newsletter.db") as state:
        assert "quixote" not in "".join(state.iterdump()).lower(), "of who was erased nothing is written down"


async def test_an_address_is_asked_once_a_day(site: Site) -> None:
    for hours in (0, 1, 22, 2):
        site.now[0] += hours * 3600
        await site.post("/subscribe", {"email": "zoe@example.org", "stamp": await form_of(site)})
    assert len(owed(site)) == 2


async def test_the_json_endpoint_answers_all_alike(site: Site) -> None:
    for email in (ADA, "zoe@example.org"):
        form = {"email": email, "name": "Zoe \ud800", "tags": ["essays", "x\0y", "\udfff"]}
        answer = await site.post_json("/subscribe", form)
        assert (answer.status, answer.text) == (202, '{"status":"asked"}')
    assert [notice.email for notice in owed(site)] == ["zoe@example.org"]
    assert (await site.post_json("/subscribe", {"email": "nobody"})).status == 400
    refused = await site.post_json("/subscribe", ["x"])
    assert (refused.status, "no JSON object" in refused.text) == (400, True)


async def test_the_newsletters_own_site_may_ask_and_no_other(site: Site) -> None:
    ours = await site.ask("OPTIONS", "/subscribe", Origin="https://example.org")
    assert ours.headers["access-control-allow-origin"] == "https://example.org"
    theirs = await site.ask("OPTIONS", "/subscribe", Origin="https://example.com")
    assert "access-control-allow-origin" not in theirs.headers


async def test_a_flood_of_sign_ups_sends_little(site: Site) -> None:
    for number in range(60):
        await site.post_json("/subscribe", {"email": f"victim{number}@example.org"})
    assert len(owed(site)) == 3
    stamp = await form_of(site)
    site.now[0] += 3600
    for number in range(60):
        await site.post("/subscribe", {"email": f"other{number}@example.org", "stamp": stamp})
    assert len(owed(site)) == 10


async def test_a_suspicious_one_proves_work_for_one_address(site: Site) -> None:
    answer = await site.post("/subscribe", {"email": "zoe@example.org", "stamp": "1.forged"})
    assert answer.status == 429
    found = re.search(r'name="stamp" value="([^"]+)"', answer.text)
    bits = re.search(r'data-bits="(\d+)"', answer.text)
    assert found is not None
    assert bits is not None
    proof = next(
        number
        for number in range(10_000_000)
        if int.from_bytes(hashlib.sha256(f"{found[1]}:{number}".encode()).digest()[:4], "big") >> (32 - int(bits[1]))
        == 0
    )
    proven = {"stamp": found[1], "proof": str(proof)}
    assert (await site.post("/subscribe", {"email": "other@example.org", **proven})).status == 429
    assert (await site.post("/subscribe", {"email": "zoe@example.org", "stamp": found[1], "proof": "0"})).status == 429
    assert (await site.post("/subscribe", {"email": "zoe@example.org", **proven})).status == 200
    assert [notice.email for notice in owed(site)] == ["zoe@example.org"]


async def test_without_javascript_patience_does(site: Site) -> None:
    answer = await site.post("/subscribe", {"email": "zoe@example.org", "stamp": "1.forged"})
    found = re.search(r'name="stamp" value="([^"]+)"', answer.text)
    assert found is not None
    early = await site.post("/subscribe", {"email": "zoe@example.org", "stamp": found[1], "proof": ""})
    assert "too early" in early.text
    site.now[0] += 30
    assert (await site.post("/subscribe", {"email": "zoe@example.org", "stamp": found[1], "proof": ""})).status == 200
    assert len(owed(site)) == 1


async def test_a_machine_that_fills_in_every_field_is_not_asked_back(site: Site) -> None:
    answer = await site.post(
        "/subscribe", {"email": "zoe@example.org", "website": "http://x.example", "stamp": await form_of(site)}
    )
    assert answer.status == 200
    assert not owed(site)


async def test_a_confirmation_holds_nothing_that_was_typed_and_waits_for_the_relay(site: Site) -> None:
    await site.post_json("/subscribe", {"email": "zoe@example.org", "name": "BUY GOLD http://gold.example"})
    nobody = parse_relay("smtp://127.0.0.1:9")
    first = await send_due(site.public.engine, [nobody], Mails(site.public).envelope, lambda: site.now[0])
    assert (first.sent, first.waiting) == (0, 1)
    site.now[0] += 3600
    async with serving(RelayServer()) as relay:
        again = await send_due(
            site.public.engine, [parse_relay(relay.url)], Mails(site.public).envelope, lambda: site.now[0]
        )
        assert (again.sent, again.waiting) == (1, 0)
        ((address, message),) = relay.accepted
    assert address == "zoe@example.org"
    assert b"GOLD" not in message
    assert b"List-Unsubscribe" not in message
    assert b"\r\nTo: zoe@example.org\r\n" in message


async def test_a_confirmation_whose_sender_died_goes_with_a_later_run(site: Site) -> None:
    await site.post_json("/subscribe", {"email": "zoe@example.org"})
    notice = next_due(site.public.engine, site.now[0])
    assert notice is not None
    assert take(site.public.engine, notice, site.now[0])
    async with serving(RelayServer()) as relay:
        for later, gone in ((60, 0), (3600, 1)):  # it may still be at work; nobody sends for an hour
            site.now[0] += later
            outcome = await send_due(
                site.public.engine, [parse_relay(relay.url)], Mails(site.public).envelope, lambda: site.now[0]
            )
            assert (outcome.sent, outcome.waiting) == (gone, 1 - gone)


async def test_who_left_comes_back_by_signing_up_again(site: Site) -> None:
    await site.post(f"/u/{site.token('unsubscribe', ADA)}", ONE_CLICK)
    await site.post("/subscribe", {"email": ADA, "stamp": await form_of(site)})
    assert [notice.kind for notice in owed(site)] == ["confirm"]
    await site.post(f"/c/{make_token(site.public.secret, 'confirm', ADA, '')}")
    assert suppressed(site.public.engine, ADA) is None
    person = site.public.roster.find(ADA)
    assert person is not None
    assert (person.name, person.columns["city"], person.tags) == ("Ada Moreau", "Lyon", ("essays",))


async def test_an_old_confirmation_subscribes_nobody_again(site: Site) -> None:
    await site.post("/subscribe", {"email": "zoe@example.org", "stamp": await form_of(site)})
    path = f"/c/{make_token(site.public.secret, 'confirm', 'zoe@example.org', '')}"
    await site.post(path)
    with site.public.roster.held():
        site.public.roster.remove({"zoe@example.org"})
    assert "This link was used" in (await site.post(path)).text
    assert site.public.roster.find("zoe@example.org") is None


async def test_only_topics_that_are_offered_can_be_chosen(tmp_path: Path) -> None:
    async with public_site(tmp_path, subscribers='topics = ["essays", "notes"]') as site:
        assert 'value="notes"' in (await site.get("/")).text
        await site.post("/subscribe", [("email", "zoe@example.org"), ("tags", "notes"), ("tags", "vip")])
        await site.post(f"/c/{make_token(site.public.secret, 'confirm', 'zoe@example.org', '')}")
        person = site.public.roster.find("zoe@example.org")
        assert person is not None
        assert person.tags == ("notes",)


async def test_many_sign_ups_at_once_leave_the_list_whole(tmp_path: Path) -> None:
    async with public_site(tmp_path) as site:
        people = [f"p{number}@example.org" for number in range(8)]
        for email in people:
            ask(site.public.engine, Subscriber(email), 1.0)
        await asyncio.gather(
            *(site.post(f"/c/{make_token(site.public.secret, 'confirm', email, '')}") for email in people)
        )
        rows = (tmp_path / "subscribers.csv").read_text().splitlines()
        assert rows[0].startswith("email,name,city,tags")
        assert sorted(row.partition(",")[0] for row in rows[1:]) == sorted([ADA, "grace@example.net", *people])


def test_a_bomb_from_many_networks_must_prove_its_work() -> None:
    limits = Limits()
    for number in range(CROWD):
        limits.count(f"10.{number // 250}.{number % 250}.0/24", 1000.0)
    assert not limits.crowded(1000.0)
    assert limits.count("192.0.2.0/24", 1000.0) == 1
    assert admit(None, stamped=False, done=False, count=1, crowded=limits.crowded(1000.0)) == "prove"
    assert admit(9.0, stamped=True, done=True, count=1, crowded=limits.crowded(1000.0)) == "go"
    assert not limits.crowded(1000.0 + 3601)
