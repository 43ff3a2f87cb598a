"""The public pages, asked over HTTP as readers, mail programs, scanners and abusers ask."""

import asyncio
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Scope

from newsletter.audience.events import events_of
from newsletter.audience.suppression import suppress, suppressed
from newsletter.audience.token import TEST_EMAIL, TEST_ISSUE, make_token
from newsletter.web.public import forms
from newsletter.web.public.app import public_app
from newsletter.web.public.guard import PublicGuard, network_of
from newsletter.web.public.words import FOLDER, LANGUAGES, read_words
from tests.web.public.site import ADA, ONE_CLICK, Site, kinds, owed, public_site

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
    for sent in ({}, {"leave": "1"}):  # a scanner's script sends a form without its button
        answer = await site.post(path, sent)
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
    for nothing in (
        {},
        {"tags": "x"},
        {"List-Unsubscribe": "One-Click"},
    ):  # as a script sends the form below, or a program
        assert (await site.post(path, nothing)).headers["location"] == path
    assert site.public.roster.find(ADA) == person
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


async def test_metrics_are_for_this_machine_alone_and_say_nothing_of_a_reader(tmp_path: Path) -> None:
    async with public_site(tmp_path) as site:
        path = f"/u/{site.token('unsubscribe', 'grace@example.net')}"
        await site.post(path, {"List-Unsubscribe": "One-Click"})
        answer = await site.get("/metrics")
        assert answer.status == 200
        assert 'newsletter_requests_total{method="POST",page="/u",status="200"} 1.0' in answer.text
        assert 'newsletter_suppressed{reason="unsubscribe"} 1.0' in answer.text
        assert "# TYPE newsletter_recipients gauge" in answer.text
        assert "grace" not in answer.text
        assert (await site.get("/metrics", X_Forwarded_For="192.0.2.1")).status == 404
        assert (await site.get("/metrics", Host="news.example.org")).status == 404


async def test_a_redirect_behind_the_proxy_stays_on_https(tmp_path: Path) -> None:
    async with public_site(tmp_path, path="/letters") as site:
        answer = await site.ask("GET", "/letters", None, True, Host="news.example.org")
        assert (answer.status, answer.headers["Location"]) == (307, "https://news.example.org/letters/")


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


async def test_a_body_that_is_too_large_or_never_ends_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = await site.post("/subscribe", {"email": "x" * 100_000})
    assert answer.status == 413
    sent: list[Any] = []

    async def goes_away() -> Any:
        return {"type": "http.disconnect"}

    async def trickles() -> Any:
        return await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/subscribe", "scheme": "http", "client": ("127.0.0.1", 1)}
    headers = [(b"host", b"localhost"), (b"content-length", b"9")]
    monkeypatch.setattr(forms, "SLOWEST", 0.01)
    for receive, status in ((goes_away, 400), (trickles, 408)):
        await public_app(site.public)({**scope, "query_string": b"", "headers": headers}, receive, send)
        assert (sent[0]["status"], (b"connection", b"close") in sent[0]["headers"]) == (status, status == 408)
        sent.clear()


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


async def test_of_several_lines_that_name_the_visitor_the_proxys_counts() -> None:
    networks = []

    async def app(scope: Scope, *_: object) -> None:
        networks.append(scope["state"]["network"])

    lines = [(b"x-forwarded-for", b"198.51.100.7"), (b"x-forwarded-for", b"203.0.113.9:4711")]
    scope = {"type": "http", "method": "GET", "path": "/", "scheme": "http", "client": ("127.0.0.1", 1)}
    guard = PublicGuard(app, "https://news.example.org", proxy_headers=True)

    async def nothing(*_: object) -> Any:
        return {}

    await guard({**scope, "headers": [(b"host", b"localhost"), *lines]}, nothing, nothing)
    assert networks == ["203.0.113.0/24"]


@pytest.mark.parametrize(
    ("client", "network"),
    [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"), ("::ffff:192.0.2.7", "192.0.2.0/24"),
     ("192.0.2.77:4711", "192.0.2.0/24"), ("[2001:db8:1:2ff::1]:4711", "2001:db8:1:200::/56"),
     ("unix", ""), ("", "")],
)  # fmt: skip
def test_addresses_are_counted_by_network(client: str, network: str) -> None:
    assert network_of(client) == network


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


async def test_what_a_visitor_types_is_no_formula_in_a_spreadsheet(tmp_path: Path) -> None:
    async with public_site(tmp_path) as site:
        typed = {"email": "zoe@example.org", "name": '=HYPERLINK("http://x")', "tags": ["+essays", "@"]}
        assert (await site.post_json("/subscribe", typed)).status == 202
        await site.post(f"/c/{site.token('confirm', 'zoe@example.org', '')}")
        assert '"HYPERLINK(""http://x"")"' in (tmp_path / "subscribers.csv").read_text()
        assert "essays,2" in (tmp_path / "subscribers.csv").read_text().splitlines()[-1]
