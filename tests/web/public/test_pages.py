"""The public pages, asked over HTTP as readers, mail programs, scanners and abusers ask."""

import asyncio
import hashlib
import re
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from newsletter.audience.address import address_key
from newsletter.audience.events import events_of
from newsletter.audience.notices import Notice, next_due, settle
from newsletter.audience.roster import put
from newsletter.audience.signup import ask
from newsletter.audience.subscriber import Subscriber
from newsletter.audience.suppression import suppress, suppressed
from newsletter.audience.token import TEST_EMAIL, TEST_ISSUE, make_token
from newsletter.delivery.notices import send_due
from newsletter.smtp.relay import parse_relay
from newsletter.web.public.guard import network_of
from newsletter.web.public.mails import Mails
from newsletter.web.public.words import FOLDER, LANGUAGES, read_words
from tests.delivery.relay_server import RelayServer, serving
from tests.web.public.site import Site, public_site

ADA = "ada@example.org"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest_asyncio.fixture(params=["csv", "database"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    source = "database" if request.param == "database" else "subscribers.csv"
    async with public_site(tmp_path, source=source) as site:
        if source == "database":
            put(site.public.roster, [Subscriber(ADA, "Ada Moreau", {"city": "Lyon", "tags": "essays"})])
        yield site


def owed(site: Site) -> list[Notice]:
    """The mails that are owed, oldest first; reading them settles them."""
    found = []
    while notice := next_due(site.public.engine, site.now[0]):
        found.append(notice)
        settle(site.public.engine, notice, "sent", "")
    return found


def kinds(site: Site, email: str = ADA) -> list[str]:
    return [event.kind for event in events_of(site.public.engine, address_key(email))]


# Unsubscribe


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_at_an_unsubscribe_page_changes_nothing_however_often(site: Site, method: str) -> None:
    path = f"/u/{site.token('unsubscribe', ADA)}"
    for _ in range(3):
        answer = await site.ask(method, path)
        assert answer.status == 200
    assert suppressed(site.public.engine, ADA) is None
    assert not kinds(site)


async def test_one_click_gets_a_bare_200_and_owes_no_mail(site: Site) -> None:
    path = f"/u/{site.token('unsubscribe', ADA, 'may-letter')}"
    for _ in range(2):
        answer = await site.post(path, ONE_CLICK)
        assert (answer.status, answer.text) == (200, "")
        assert "location" not in answer.headers
    stopped = suppressed(site.public.engine, ADA)
    assert stopped is not None
    assert (stopped.reason, stopped.source, stopped.issue) == ("unsubscribe", "one-click", "may-letter")
    assert kinds(site) == ["left"]
    assert not owed(site)


async def test_one_click_may_come_as_multipart(site: Site) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
    path = f"/u/{site.token('unsubscribe', ADA)}"
    answer = await site.ask("POST", path, body, Content_Type="multipart/form-data; boundary=b")
    assert (answer.status, answer.text) == (200, "")
    assert suppressed(site.public.engine, ADA) is not None


async def test_the_button_owes_one_last_mail_with_the_way_back(site: Site) -> None:
    path = f"/u/{site.token('unsubscribe', ADA)}"
    for _ in range(2):
        answer = await site.post(path, {"leave": "1"})
        assert (answer.status, answer.headers["location"]) == (303, path)
        assert "You are unsubscribed" in (await site.get(path)).text
        await site.post(path, {"undo": "1"})
        assert suppressed(site.public.engine, ADA) is None
    assert [notice.kind for notice in owed(site)] == ["goodbye"]
    assert kinds(site) == ["left", "returned", "left", "returned"]


async def test_a_reason_is_kept_with_the_issue(site: Site) -> None:
    path = f"/u/{site.token('unsubscribe', ADA)}"
    await site.post(path, {"leave": "1"})
    await site.post(path, {"reason": "often"})
    event = list(events_of(site.public.engine, ADA))[-1]
    assert (event.detail["reason"], event.issue) == ("often", "hello")


async def test_a_button_undoes_no_complaint(site: Site) -> None:
    suppress(site.public.engine, ADA, "complaint", "feedback", 1)
    path = f"/u/{site.token('unsubscribe', ADA)}"
    assert "undo" not in (await site.get(path)).text
    await site.post(path, {"undo": "1"})
    await site.post(path, {"leave": "1"})
    stopped = suppressed(site.public.engine, ADA)
    assert stopped is not None
    assert stopped.reason == "complaint"
    assert not owed(site)


@pytest.mark.parametrize("kind", ["u", "p", "c"])
async def test_a_token_that_is_not_ours_is_404_and_does_nothing(site: Site, kind: str) -> None:
    good = site.token("unsubscribe", ADA)
    forged = make_token(b"another secret of 32 characters!", "unsubscribe", ADA, "hello")
    for token in (forged, good[:-2], good + "A", good.swapcase(), "x", "a" * 5000, "%00", "%2e%2e"):
        assert (await site.get(f"/{kind}/{token}")).status in (404, 405), token
        assert (await site.post(f"/{kind}/{token}", ONE_CLICK)).status in (404, 405), token
    assert suppressed(site.public.engine, ADA) is None


async def test_a_token_of_one_kind_opens_no_other_page(site: Site) -> None:
    assert (await site.get(f"/p/{site.token('unsubscribe', ADA)}")).status == 404
    assert (await site.get(f"/u/{site.token('confirm', ADA)}")).status == 404


async def test_the_test_token_is_answered_and_records_nothing(site: Site) -> None:
    for kind, path in (("unsubscribe", "u"), ("preferences", "p"), ("confirm", "c")):
        where = f"/{path}/{site.token(kind, TEST_EMAIL, TEST_ISSUE)}"
        assert (await site.get(where)).status == 200
        assert (await site.post(where, ONE_CLICK)).status in (200, 303)
    assert (await site.post(f"/u/{site.token('unsubscribe', TEST_EMAIL, TEST_ISSUE)}", ONE_CLICK)).status == 200
    assert suppressed(site.public.engine, "test@example.com") is None
    with site.public.engine.connect() as connection:
        for table in ("suppressions", "events", "notices"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0


# Sign-up


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
    stamp = await form_of(site)
    answers = {
        (await site.post("/subscribe", {"email": email, "stamp": stamp})).text
        for email in (ADA, "bad@example.org", "new@example.org", "new@example.org")
    }
    assert len(answers) == 1
    assert [notice.email for notice in owed(site)] == ["new@example.org"]


async def test_an_address_is_asked_once_a_day(site: Site) -> None:
    for hours in (0, 1, 22, 2):
        site.now[0] += hours * 3600
        await site.post("/subscribe", {"email": "zoe@example.org", "stamp": await form_of(site)})
    assert len(owed(site)) == 2


async def test_the_json_endpoint_answers_all_alike(site: Site) -> None:
    for email in (ADA, "zoe@example.org"):
        answer = await site.post_json("/subscribe", {"email": email, "name": "Zoe", "tags": ["essays", "x\0y"]})
        assert (answer.status, answer.text) == (202, '{"status":"asked"}')
    assert [notice.email for notice in owed(site)] == ["zoe@example.org"]
    assert (await site.post_json("/subscribe", {"email": "nobody"})).status == 400
    assert (await site.post_json("/subscribe", ["x"])).status == 400


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


# Preferences


async def test_preferences_are_changed_and_the_rest_of_the_row_stays(site: Site) -> None:
    path = f"/p/{site.token('preferences', ADA)}"
    assert 'value="Ada Moreau"' in (await site.get(path)).text
    answer = await site.post(path, {"name": "Ada M.", "paused_until": "2999-01-01", "tracking": "yes"})
    assert (answer.status, answer.headers["location"]) == (303, f"{path}?saved=1")
    person = site.public.roster.find(ADA)
    assert person is not None
    assert (person.name, person.tags, person.columns["city"]) == ("Ada M.", (), "Lyon")
    assert (person.columns["paused_until"], person.columns["tracking"]) == ("2999-01-01", "yes")
    assert (await site.post(path, {"name": "x", "paused_until": "soon"})).status == 400
    assert kinds(site) == ["changed"]


async def test_a_reader_leaves_and_comes_back_by_preferences(site: Site) -> None:
    path = f"/p/{site.token('preferences', ADA)}"
    await site.post(path, {"leave": "1"})
    assert suppressed(site.public.engine, ADA) is not None
    assert 'name="undo"' in (await site.get(path)).text
    await site.post(path, {"undo": "1"})
    assert suppressed(site.public.engine, ADA) is None
    assert [notice.kind for notice in owed(site)] == ["goodbye"]


async def test_who_is_not_on_the_list_is_told_so(site: Site) -> None:
    answer = await site.get(f"/p/{site.token('preferences', 'gone@example.org')}")
    assert (answer.status, "Not on the list" in answer.text) == (200, True)


# The server


async def test_foreign_hosts_are_421_and_health_answers_anybody(tmp_path: Path) -> None:
    async with public_site(tmp_path, path="/letters") as site:
        assert (await site.get("/", Host="evil.example.com")).status == 421
        assert (await site.get("/", Host="news.example.org")).status == 200
        assert (await site.get("/", Host="news.example.org:8443")).status == 200
        assert (await site.ask("GET", "/health", None, True, Host="evil.example.com")).status == 200
        assert (await site.ask("GET", "/", None, True)).status == 404
        assert (await site.ask("GET", "/lettersx/", None, True)).status == 404
        assert 'action="/letters/subscribe"' in (await site.get("/")).text


async def test_every_answer_has_the_security_headers_and_tokens_are_never_indexed(site: Site) -> None:
    for path in ("/", f"/u/{site.token('unsubscribe', ADA)}", "/nothing", "/style.css"):
        headers = (await site.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
    assert (await site.get(f"/u/{site.token('unsubscribe', ADA)}")).headers["x-robots-tag"] == "noindex"


async def test_a_body_that_is_too_large_is_refused(site: Site) -> None:
    answer = await site.post("/subscribe", {"email": "x" * 100_000})
    assert answer.status == 413


async def test_the_access_log_names_nobody(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "newsletter.access"):
        token = site.token("unsubscribe", ADA)
        await site.get(f"/u/{token}?x=ada@example.org")
        await site.get(f"/{token}")
    assert len(caplog.messages) == 2
    assert not any(token[:10] in line or "ada" in line or "127.0" in line for line in caplog.messages)


async def test_a_network_behind_a_proxy_is_the_visitors(tmp_path: Path) -> None:
    async with public_site(tmp_path, proxy_headers=True) as site:
        await site.post_json("/subscribe", {"email": "zoe@example.org"}, X_Forwarded_For="198.51.100.7, 203.0.113.9")
        (event,) = events_of(site.public.engine, "zoe@example.org")
        assert event.detail["network"] == "203.0.113.0/24"


@pytest.mark.parametrize(
    ("client", "network"),
    [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"), ("::ffff:192.0.2.7", "192.0.2.0/24"),
     ("unix", ""), ("", "")],
)  # fmt: skip
def test_addresses_are_counted_by_network(client: str, network: str) -> None:
    assert network_of(client) == network


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


def test_every_language_has_every_word_and_fills_in_the_same() -> None:
    assert set(LANGUAGES) >= {"en", "de", "fr"}
    english = read_words("en")
    for language in LANGUAGES:
        words = read_words(language)
        assert {name: set(texts) for name, texts in words.items()} == {
            name: set(texts) for name, texts in english.items()
        }
        for section, texts in english.items():
            for name, text in texts.items():
                assert set(re.findall(r"{\w+}", words[section][name])) == set(re.findall(r"{\w+}", text)), (
                    language,
                    name,
                )


def test_every_word_of_the_pages_is_in_the_file_of_words() -> None:
    import newsletter.web.pages as pages

    known = {f"{section}.{name}" for section, texts in read_words("en").items() for name in texts}
    used = set()
    for path in (pages.FOLDER / "templates" / "public").glob("*.html"):
        used |= set(re.findall(r'"([a-z]+\.[a-z_]+)"', path.read_text()))
    assert used - {"public.html"} <= known | {"unsubscribe.reason_"}
    assert tomllib.loads((FOLDER / "de.toml").read_text())


async def test_the_pages_speak_the_newsletters_language(tmp_path: Path) -> None:
    async with public_site(tmp_path, newsletter='language = "de-AT"') as site:
        answer = await site.get("/")
        assert '<html lang="de"' in answer.text
        assert "abonnieren" in answer.text
