"""Webhooks on a running `serve`: what is signed acts once; forged, stale, replayed, oversized, foreign: nothing."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import func, insert, select

from newsletter.audience.address import address_key
from newsletter.audience.suppression import suppressed
from newsletter.compose.issue import Issue
from newsletter.compose.message.ids import message_id, reference
from newsletter.config.settings import load_config
from newsletter.errors import NewsletterError
from newsletter.feedback.webhooks.providers import providers
from newsletter.state.schema import deliveries, events, handled, issues
from tests.web.public.site import Site, public_site

from .payloads import (
    MAILGUN_KEY,
    NOW,
    RESEND_SECRET,
    SENDGRID_PUBLIC,
    SHARED,
    TOPIC,
    Request,
    certificate,
    mailgun,
    resend,
    sendgrid,
    ses,
    shared,
    sns,
)

SECRETS = {
    "SES_TOPIC": TOPIC, "SENDGRID_KEY": SENDGRID_PUBLIC, "MAILGUN_KEY": MAILGUN_KEY, "RESEND_SECRET": RESEND_SECRET,
    "POSTMARK_AUTH": SHARED, "BREVO_AUTH": "a-secret-at-the-end-of-the-path",
}  # fmt: skip
GRACE, ADA, OLD = "grace@example.net", "ada@example.org", "old@example.com"
QUEUED = {GRACE: "Ok: queued as GRACE-ID-0001", ADA: "Ok 0100018f2b7c1d2e-ada-000000", OLD: "Ok: queued as OLD-ID-0003"}


class Fetched:
    """Stands for SNS: gives its certificate, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        return certificate()


@pytest.fixture
def fetched() -> Fetched:
    return Fetched()


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fetched: Fetched) -> AsyncIterator[Site]:
    """An issue went to three: two of them lately."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(f"NEWSLETTER_WEBHOOKS__{name}", value)
    (tmp_path / "newsletter.toml").write_text("[newsletter]\nauthor = 'Ada <ada@example.org>'\n")
    known = providers(load_config(tmp_path / "newsletter.toml"), fetched)
    async with public_site(tmp_path, known=known) as site:
        issue = Issue(
            id="hello", post="hello.md", subject=("Hello",), preheader="", sender="Ada Moreau <ada@example.org>",
            reply_to="", mail_from="", list_id="", unsubscribe_url="", unsubscribe_mailto="", view_url="",
            language="en", html=(), text=(), context={},
        )  # fmt: skip
        with site.public.engine.begin() as connection:
            connection.execute(
                insert(issues).values(
                    number=1, id="hello", post="hello.md", subject="Hello", created=NOW - 86_400.0,
                    frozen=issue.dumps(), hash="", list_hash="",
                )
            )  # fmt: skip
            for email, said in QUEUED.items():
                updated = NOW - (60 * 86_400.0 if email == OLD else 3600.0)
                connection.execute(
                    insert(deliveries).values(
                        issue=1, key=address_key(email), email=email, name="", columns="{}", state="sent",
                        code=250, text=said, updated=updated,
                    )
                )  # fmt: skip
        yield site


def bounced(email: str, site: Site) -> dict[str, Request]:
    """The same hard bounce, as each provider tells it."""
    id_ = message_id(site.public.secret, "hello", email, "example.org")
    header = [{"name": "X-Newsletter-Ref", "value": reference(id_)}]
    unknown = "550 5.1.1 user unknown"
    return {
        "ses": sns(ses("Permanent", email, tuple(header))),
        "sendgrid": sendgrid({"event": "bounce", "type": "bounce", "email": email, "smtp-id": id_, "status": "5.1.1",
                              "reason": unknown, "sg_event_id": "e1"}),
        "mailgun": mailgun({"event": "failed", "severity": "permanent", "reason": "bounce", "recipient": email,
                            "delivery-status": {"code": 550, "message": "5.1.1 user unknown"},
                            "message": {"headers": {"message-id": id_.strip("<>")}}}),
        "resend": resend("email.bounced", {"email_id": "4f7b", "to": [email], "headers": header,
                                           "bounce": {"type": "Permanent", "subType": "General", "message": unknown}}),
        "postmark": shared({"RecordType": "Bounce", "Type": "HardBounce", "MessageID": "883953f4", "ID": 42,
                            "Email": email, "Details": f"smtp;{unknown}"}),
        "brevo/a-secret-at-the-end-of-the-path": (
            json.dumps({"event": "hard_bounce", "email": email, "message-id": id_, "reason": unknown,
                        "ts_event": NOW}).encode(), {}),
    }  # fmt: skip


PROVIDERS = ["ses", "sendgrid", "mailgun", "resend", "postmark", "brevo/a-secret-at-the-end-of-the-path"]


async def post(site: Site, provider: str, request: Request) -> int:
    body, headers = request
    answer = await site.ask("POST", f"/webhooks/{provider}", body, False, **headers)
    return answer.status


def why(site: Site, email: str) -> tuple[str, str, str | None] | None:
    found = suppressed(site.public.engine, email)
    return (found.reason, found.source, found.issue) if found else None


def untouched(site: Site) -> bool:
    with site.public.engine.connect() as connection:
        counts = [connection.scalar(select(func.count()).select_from(table)) for table in (events, handled)]
    return counts == [0, 0] and not any(why(site, email) for email in QUEUED)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_signed_bounce_suppresses_and_a_replay_changes_nothing(site: Site, provider: str) -> None:
    request = bounced(GRACE, site)[provider]
    assert await post(site, provider, request) == 200
    name = provider.partition("/")[0]
    assert why(site, GRACE) == ("bounce", name, "hello")
    with site.public.engine.connect() as connection:
        before = connection.scalar(select(func.count()).select_from(events))
    assert await post(site, provider, request) == (406 if name == "mailgun" else 200)
    with site.public.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(events)) == before == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_changed_body_changes_nothing(site: Site, provider: str) -> None:
    """Where a secret alone proves the sender, it is the secret that is wrong."""
    body, headers = bounced(GRACE, site)[provider]
    forged = body.replace(GRACE.encode(), ADA.encode())
    if provider == "postmark":
        _, headers = shared({}, "postmark:a-wrong-secret")
    if provider == "mailgun":
        forged = body.replace(b'"signature": "', b'"signature": "0')
    where = provider.replace("a-secret", "no-secret")
    assert await post(site, where, (forged, headers)) in {401, 403}
    assert untouched(site)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_no_signature_at_all_changes_nothing(site: Site, provider: str) -> None:
    name = provider.partition("/")[0]
    for body in (b"{}", b"[]", b"", b"\xff\xfe", b'"x"', b"[" * 5000):
        assert 400 <= await post(site, name, (body, {})) < 500
    assert untouched(site)


@pytest.mark.parametrize("away", [-301, 301])
async def test_a_stale_one_changes_nothing(site: Site, away: int) -> None:
    moment = "2027-01-01T00:00:00.000Z" if away < 0 else "2027-02-01T00:00:00.000Z"
    failed = {"event": "failed", "severity": "permanent", "recipient": GRACE}
    stale = {
        "sendgrid": sendgrid({"event": "bounce", "type": "bounce", "email": GRACE}, at=NOW + away),
        "mailgun": mailgun(failed, at=NOW + away),
        "resend": resend("email.bounced", {"to": [GRACE], "bounce": {"type": "Permanent"}}, at=NOW + away),
        "ses": sns(ses("Permanent", GRACE), {"Timestamp": moment}),
    }
    assert [await post(site, name, request) for name, request in stale.items()] == [403] * 4
    assert untouched(site)


async def test_another_s_key_or_topic_changes_nothing(site: Site) -> None:
    other = "arn:aws:sns:eu-west-1:999999999999:bounces"
    elsewhere = "https://sns.eu-west-1.amazonaws.com.example.net/SimpleNotificationService-0a1b2c3d.pem"
    told = ses("Permanent", GRACE)
    foreign = [
        ("ses", sns(told, {"TopicArn": other})),
        ("ses", sns(told, key=rsa.generate_private_key(65537, 2048))),
        ("ses", sns(told, {"SigningCertURL": elsewhere})),
        ("ses", sns(told, {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/other.pem"})),
        ("ses", sns(told, {"SigningCertURL": "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a.pem"})),
        ("sendgrid", sendgrid({"event": "bounce", "email": GRACE}, key=ec.generate_private_key(ec.SECP256R1()))),
        ("mailgun", mailgun({"event": "complained", "recipient": GRACE}, key="another")),
        ("resend", resend("email.complained", {"to": [GRACE]}, secret="whsec_YW5vdGhlcg==")),
    ]
    assert [await post(site, name, request) for name, request in foreign] == [403] * len(foreign)
    assert untouched(site)


async def test_what_is_oversized_is_not_read(site: Site) -> None:
    event = {"event": "complained", "recipient": GRACE, "padding": "x" * 2_000_000}
    assert await post(site, "mailgun", mailgun(event)) == 413
    assert untouched(site)


async def test_a_signed_event_about_somebody_whom_we_did_not_mail_does_nothing(site: Site) -> None:
    for email in ("nobody@example.com", OLD, "not an address", ""):
        event = {"RecordType": "SpamComplaint", "MessageID": "1", "ID": email, "Email": email}
        assert await post(site, "postmark", shared(event)) == 200
    assert all(why(site, email) is None for email in (*QUEUED, "nobody@example.com"))


async def test_the_relay_s_own_id_names_the_message_however_long_ago(site: Site) -> None:
    event = {"RecordType": "SpamComplaint", "MessageID": "old-id-0003", "Email": OLD, "ID": 1}
    assert await post(site, "postmark", shared(event)) == 200
    assert why(site, OLD) == ("complaint", "postmark", "hello")


async def test_version_1_of_sns_and_a_complaint_of_ses(site: Site, fetched: Fetched) -> None:
    assert (
        await post(
            site, "ses", sns(ses("Complaint", ADA, id_="0100018f2b7c1d2e-ada-000000"), {"SignatureVersion": "1"})
        )
        == 200
    )
    assert why(site, ADA) == ("complaint", "ses", "hello")
    assert len(fetched.asked) == 1


async def test_a_subscription_is_confirmed_for_our_topic_alone(site: Site, fetched: Fetched) -> None:
    ours = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=abc"
    kind = {"Type": "SubscriptionConfirmation", "Token": "abc"}
    assert await post(site, "ses", sns("", kind | {"SubscribeURL": "https://example.net/confirm"})) == 403
    assert await post(site, "ses", sns("", kind | {"SubscribeURL": ours, "TopicArn": TOPIC + "x"})) == 403
    assert ours not in fetched.asked
    assert await post(site, "ses", sns("", kind | {"SubscribeURL": ours})) == 200
    assert fetched.asked[-1] == ours


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"event": "spamreport", "email": GRACE}, "complaint"),
        ({"event": "group_unsubscribe", "email": GRACE}, "unsubscribe"),
        ({"event": "dropped", "email": GRACE, "reason": "Bounced Address"}, "bounce"),
        ({"event": "bounce", "type": "blocked", "email": GRACE, "reason": "550 5.1.1 user unknown"}, None),
        ({"event": "bounce", "type": "bounce", "email": GRACE, "reason": "550 5.7.26 unauthenticated"}, None),
        ({"event": "deferred", "email": GRACE}, None),
        ({"event": "delivered", "email": GRACE}, None),
    ],
)
async def test_each_event_is_taken_for_what_it_is(site: Site, event: dict[str, str], reason: str | None) -> None:
    assert await post(site, "sendgrid", sendgrid(event)) == 200
    assert (why(site, GRACE) or (None,))[0] == reason


async def test_only_a_post_is_heard_and_only_for_who_is_set_up(site: Site) -> None:
    assert (await site.get("/webhooks/ses")).status == 405
    assert await post(site, "mandrill", (b"{}", {})) == 404


def test_a_key_that_is_none_is_said_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = tmp_path / "newsletter.toml"
    toml.write_text("[newsletter]\nauthor = 'Ada <ada@example.org>'\n\n[webhooks]\nsendgrid_key = 'nonsense!'\n")
    with pytest.raises(NewsletterError, match=r"newsletter.toml:5: \[webhooks\] sendgrid_key: is no verification key"):
        providers(load_config(toml))
    toml.write_text("[newsletter]\nauthor = 'Ada <ada@example.org>'\n\n[webhooks]\nmailgun_key = 'secret'\n")
    with pytest.raises(NewsletterError, match=r"newsletter.toml:5: webhooks.mailgun_key is a secret"):
        load_config(toml)
