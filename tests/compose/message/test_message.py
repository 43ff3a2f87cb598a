"""Messages, read back by the standard library's parser, byte for byte and field for field."""

import base64
import re
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.audience.subscriber import Subscriber
from newsletter.audience.token import read_token
from newsletter.compose.issue import Issue, Slot
from newsletter.compose.message import headers
from newsletter.compose.message.ids import reference
from newsletter.compose.message.quoted_printable import normal
from newsletter.compose.message.writer import MessageWriter, feedback_id
from newsletter.errors import NewsletterError
from tests.compose.writing import SECRET, cut_template, issue

ADA = Subscriber("ada@example.net", "Ada", {"city": "Lyon"})
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
FIELDS = [
    "From", "To", "Subject", "Date", "Message-ID", "X-Newsletter-Ref", "MIME-Version", "List-Id", "Feedback-ID",
    "Precedence",
    "List-Unsubscribe", "List-Unsubscribe-Post", "Content-Type",
]  # fmt: skip
HOSTILE = [
    "\r\nBcc: eve@example.org\r\n\r\nbody",
    "{{ cycler.__init__.__globals__ }}",
    "{% for i in range(10**9) %}x{% endfor %}",
    "<img src=x onerror=alert(1)>",
    "\n.\r\nMAIL FROM:<eve@example.org>",
    "=?utf-8?q?=0D=0ABcc:_e?=",
    "\u2028\u2029\x85",
    "x" * 2000,
    "\r.\r",
    "\ud800",
    "é😀",
    "\0",
    ".",
    "",
]
values = st.one_of(st.text(), st.sampled_from(HOSTILE))
fixed_texts = values.map(lambda text: text.encode("utf-8", "replace").decode())  # as compose lets into an issue


def slot(source: str) -> Slot:
    return Slot(source, "email_templates/post.html", 7)


def write(what: Issue, who: Subscriber = ADA) -> bytes:
    return MessageWriter(what, SECRET).envelope(who, NOON).message


def parsed(message: bytes) -> EmailMessage:
    return message_from_bytes(message, policy=policy.default)


def assert_fit_for_the_wire(message: bytes) -> None:
    assert message.endswith(b"\r\n")
    head, _, body = message.partition(b"\r\n\r\n")
    for part, most in ((head, 998), (body, 76)):
        for line in part.split(b"\r\n"):
            assert b"\r" not in line
            assert b"\n" not in line
            assert len(line) <= most
            assert not line.startswith(b".")
    assert body.isascii()


def body_of(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")  # the parser leaves CRLF


@pytest.mark.parametrize(
    ("issue_id", "domain", "written"),
    [
        ("oaks", "example.org", "oaks:example.org:newsletter:exampleorg"),
        ("how-to-bounce-back-when-job-searching", "news.example.org",
         "how-to-bounce-back-when-job-searching:newsletter:newsexampleorg"),
        ("o" * 200, "news.example.org", "o" * 30 + "-ea0f3970:newsletter:newsexampleorg"),
    ],
)  # fmt: skip
def test_the_feedback_id_fits_a_line(issue_id: str, domain: str, written: str) -> None:
    made = feedback_id(issue_id, domain)
    assert made == written
    assert len(f"Feedback-ID: {made}") <= 78


def test_a_message_is_text_then_html_with_exactly_these_fields() -> None:
    message = parsed(write(issue()))
    assert message.keys() == FIELDS
    assert message["From"] == "Ada Moreau <ada@example.org>"
    assert message["To"] == "Ada <ada@example.net>"
    assert message["Subject"] == "Who planted the oaks"
    assert message["Date"].datetime == NOON
    assert message["List-Id"] == "The Long View <example.org>"
    assert message["Feedback-ID"] == "oaks:example.org:newsletter:exampleorg"
    assert message.get_content_type() == "multipart/alternative"
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert {part["Content-Transfer-Encoding"] for part in parts} == {"quoted-printable"}
    assert {part.get_content_charset() for part in parts} == {"utf-8"}
    assert not message.defects


@settings(deadline=None)
@given(values, values, fixed_texts)
def test_whatever_a_subscriber_is_called_the_message_says_it_and_nothing_else(name: str, city: str, fixed: str) -> None:
    named = "{% if subscriber.city %}{{ subscriber.name }}{% endif %}"
    what = issue(
        subject=("Hello ", slot("{{ subscriber.name }}"), "!"),
        text=(fixed, slot("{{ subscriber.city }}"), fixed, slot(named)),
        html=(slot("{{ subscriber.city }}"), fixed, slot("{{ unsubscribe_url }}"), slot(named)),
    )
    who = Subscriber("ada@example.net", name, {"city": city})
    writer = MessageWriter(what, SECRET)
    envelope = writer.envelope(who, NOON)
    assert_fit_for_the_wire(envelope.message)
    message = parsed(envelope.message)
    parts = writer.decoded(who)
    assert message.keys() == FIELDS
    assert body_of(message, "plain") == parts.text
    assert body_of(message, "html") == parts.html
    assert parts.text == "".join(map(normal, (fixed, city, fixed, name if city else "")))
    assert parts.subject == headers.clean(normal(f"Hello {name}!"))
    old = message_from_bytes(envelope.message)
    assert str(make_header(decode_header(old["Subject"].replace("\r\n", "")))) == parts.subject
    shown, address = parseaddr(old["To"].replace("\r\n", ""))
    assert address == "ada@example.net"
    assert str(make_header(decode_header(shown))) == headers.clean(name).strip()
    assert MessageWriter(what, SECRET).envelope(who, NOON) == envelope


def test_a_dry_run_and_the_live_message_differ_in_date_alone() -> None:
    writer = MessageWriter(issue(text=(slot("{{ unsubscribe_url }}"),)), SECRET)
    one, two = (writer.envelope(ADA, NOON + timedelta(hours=hours)).message.split(b"\r\n") for hours in (0, 1))
    assert [line.split(b":")[0] for line, other in zip(one, two, strict=True) if line != other] == [b"Date"]


def test_an_issue_read_back_from_the_ledger_writes_the_same_bytes() -> None:
    what = issue(html=("<p>é</p>", slot("{{ subscriber.name }}")), context={"post": {"title": "é"}})
    assert write(Issue.loads(what.dumps())) == write(what)


def test_the_message_id_is_the_same_on_every_attempt_and_another_for_each_recipient_and_issue() -> None:
    writer, other = MessageWriter(issue(), SECRET), MessageWriter(issue(id="elms"), SECRET)
    ids = [
        writer.message_id("ada@example.net"),
        writer.message_id("bob@example.net"),
        other.message_id("ada@example.net"),
    ]
    assert len(set(ids)) == 3
    assert ids[0] == MessageWriter(issue(), SECRET).message_id("ada@example.net")
    assert re.fullmatch(r"<[0-9a-f]{32}@example\.org>", ids[0])
    assert parsed(writer.envelope(ADA, NOON).message)["Message-ID"] == ids[0]


def test_unsubscribe_links_carry_a_token_of_the_reader_and_the_issue() -> None:
    what = issue(html=(slot("{{ unsubscribe_url }}"), "|", slot("{{ preferences_url }}")))
    writer = MessageWriter(what, SECRET)
    leave, choose = writer.decoded(ADA).html.split("|")
    assert read_token(SECRET, "unsubscribe", leave.removeprefix("https://example.org/n/u/")) == (
        "ada@example.net",
        "oaks",
    )
    assert read_token(SECRET, "preferences", choose.removeprefix("https://example.org/n/p/")) == (
        "ada@example.net",
        "oaks",
    )
    message = parsed(writer.envelope(ADA, NOON).message)
    token = leave.rpartition("/")[2]
    assert message["List-Unsubscribe"] == f"<{leave}>, <mailto:leave@example.org?subject=unsubscribe%20{token}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    ("url", "mailto", "fields", "link"),
    [
        ("https://example.org/n/", "", ["List-Unsubscribe", "List-Unsubscribe-Post"], "https://example.org/n/u/"),
        ("http://localhost:8000", "", ["List-Unsubscribe"], "http://localhost:8000/u/"),
        ("", "leave@example.org", ["List-Unsubscribe"], "mailto:leave@example.org?subject=unsubscribe%20"),
        ("", "", [], ""),
    ],
)
def test_one_click_is_offered_with_https_alone(url: str, mailto: str, fields: list[str], link: str) -> None:
    what = issue(unsubscribe_url=url, unsubscribe_mailto=mailto, html=(slot("{{ unsubscribe_url }}"),))
    writer = MessageWriter(what, SECRET)
    message = parsed(writer.envelope(ADA, NOON).message)
    assert [name for name in message if name.startswith("List-Unsubscribe")] == fields
    assert writer.decoded(ADA).html.startswith(link)
    assert bool(writer.decoded(ADA).html) == bool(link)


def test_reply_to_is_written_when_there_is_one() -> None:
    assert parsed(write(issue(reply_to="Desk <desk@example.org>")))["Reply-To"] == "Desk <desk@example.org>"


def test_a_subscriber_without_a_name_is_an_address() -> None:
    assert parsed(write(issue(), Subscriber("ada@example.net")))["To"] == "ada@example.net"


def test_a_local_part_beyond_ascii_stands_in_to_as_utf8() -> None:
    assert "To: Zoë <zoë@example.net>\r\n".replace("Zoë <", "=?utf-8?q?Zo=C3=AB?= <").encode() in write(
        issue(), Subscriber("zoë@example.net", "Zoë")
    )


def test_the_date_has_the_zone_it_was_given() -> None:
    west = NOON.astimezone(timezone(timedelta(hours=-8)))
    assert (
        b"\r\nDate: Mon, 04 May 2026 04:00:00 -0800\r\n" in MessageWriter(issue(), SECRET).envelope(ADA, west).message
    )
    assert b"\r\nDate: " in MessageWriter(issue(), SECRET).envelope(ADA).message


def test_each_message_has_a_return_path_of_its_own_that_names_it() -> None:
    writer = MessageWriter(issue(mail_from="bounces@example.org", verp=True), SECRET)
    for name, email in (("Ada", "ada@example.net"), ("", "grace@example.com")):
        envelope = writer.envelope(Subscriber(email, name), NOON)
        ref = parsed(envelope.message)["X-Newsletter-Ref"]
        assert envelope.mail_from == f"bounces+{ref}@example.org"
        assert ref == reference(writer.message_id(email)) == ref.lower()
        assert len(envelope.mail_from.partition("@")[0]) <= 64
        assert base64.b32decode(f"{ref}======".upper()).hex() == envelope.envid


def test_a_return_path_without_room_for_a_reference_is_refused() -> None:
    MessageWriter(issue(mail_from=f"{'b' * 37}@example.org", verp=True), SECRET)
    with pytest.raises(NewsletterError, match="verp = false"):
        MessageWriter(issue(mail_from=f"{'b' * 38}@example.org", verp=True), SECRET)
    MessageWriter(issue(mail_from=f"{'b' * 38}@example.org"), SECRET)


def test_the_envelope_names_the_return_path_and_one_recipient() -> None:
    envelope = MessageWriter(issue(), SECRET).envelope(ADA, NOON)
    assert (envelope.mail_from, envelope.rcpt_to) == ("bounces@example.org", "ada@example.net")


def test_adjacent_fixed_parts_are_one_text() -> None:
    what = issue(text=("a" * 70, "b" * 70, "\n.c"))
    assert_fit_for_the_wire(write(what))
    assert body_of(parsed(write(what)), "plain") == "a" * 70 + "b" * 70 + "\n.c"


def test_empty_parts_are_empty() -> None:
    message = parsed(write(issue(text=(), html=())))
    assert (body_of(message, "plain"), body_of(message, "html")) == ("", "")


def test_values_are_escaped_in_html_and_plain_elsewhere() -> None:
    name = "<img src=x onerror=alert(1)> & 'co'"
    for source in ("{{ subscriber.name }}", "{% if true %}{{ subscriber.name }}{% endif %}"):
        what = issue(html=(slot(source),), text=(slot(source),), subject=(slot(source),))
        parts = MessageWriter(what, SECRET).decoded(Subscriber("a@example.net", name))
        assert "<" not in parts.html
        assert parts.html.startswith("&lt;img")
        assert (parts.text, parts.subject) == (name, name)


@pytest.mark.parametrize(
    "source",
    [
        "{{ subscriber.town }}",
        "{{ subscriber['town'] }}",
        '{{ (subscriber.town or "x") }}',
        "{% if subscriber.town %}x{% endif %}",
        "{{ (subscriber.town|urlencode) }}",
    ],
)
def test_a_column_that_the_list_lacks_is_refused_at_once_with_the_templates_line(source: str) -> None:
    with pytest.raises(NewsletterError, match=r"post\.html:7: subscriber\.town is no column .* city, email, name"):
        MessageWriter(issue(html=(slot(source),)), SECRET, columns=["email", "name", "city"])
    with pytest.raises(NewsletterError, match=r"post\.html:7: .*ada@example\.net.*no column 'town'"):
        MessageWriter(issue(html=(slot(source),)), SECRET).envelope(ADA)


@pytest.mark.parametrize(
    "source", ['{{ (subscriber.town|default("x")) }}', "{% if (subscriber.town is defined) %}y{% else %}x{% endif %}"]
)
def test_a_column_that_may_lack_is_asked_for_with_default(source: str) -> None:
    assert MessageWriter(issue(html=(slot(source),)), SECRET, columns=["city"]).decoded(ADA).html == "x"


def test_columns_may_have_any_name() -> None:
    who = Subscriber(
        "a@example.net", "Ada", {"items": "1", "values": "2", "First name": "A", "__class__": "c", "größe": "9"}
    )
    what = issue(
        text=tuple(
            slot(f"{{{{ {name} }}}}")
            for name in (
                "subscriber.items",
                "subscriber.values",
                "subscriber['First name']",
                "subscriber.größe",
                "subscriber",
            )
        )
    )
    assert MessageWriter(what, SECRET).decoded(who).text == "12A9a@example.net"


FAULTS = [
    ("{{ (1 / (subscriber.n|int)) }}", "division by zero"),
    ("{{ subscriber.name.__class__ }}", "unsafe"),
    ("{{ cycler.__init__.__globals__ }}", "unsafe"),
    ("{% for i in range(10 ** 9) %}x{% endfor %}", "range"),
    ("{{ (subscriber.name * 10 ** 9) }}", "repeats"),
    ("{{ subscriber.name.ljust(10 ** 9) }}", "pads"),
    ('{{ ("%1000000000d"|format(1)) }}', "width"),
    ("{{ nothing }}", "undefined"),
]


@pytest.mark.parametrize(("source", "what"), FAULTS)
def test_a_slot_that_fails_for_a_reader_names_both(source: str, what: str) -> None:
    writer = MessageWriter(issue(html=(slot(source),)), SECRET)
    with pytest.raises(NewsletterError, match=what) as caught:
        writer.envelope(Subscriber("ada@example.net", "Ada", {"n": "0"}))
    assert (caught.value.path, caught.value.line) == ("email_templates/post.html", 7)
    assert "ada@example.net" in caught.value.what


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("{{ (subscriber.name|uper) }}", "No filter named 'uper'; correct the template"),
        ("{% if subscriber.name is smpty %}x{% endif %}", "No test named 'smpty'; correct the template"),
    ],
)
def test_a_slot_with_a_filter_or_test_that_is_none_is_refused_at_once(source: str, what: str) -> None:
    with pytest.raises(NewsletterError) as caught:
        MessageWriter(issue(html=(slot(source),)), SECRET)
    assert str(caught.value) == f"email_templates/post.html:7: {what}"


def test_the_context_can_be_asked_for_by_a_readers_value() -> None:
    what = issue(html=(slot("{{ post[subscriber.city] }}"),), context={"post": {"Lyon": "Rhône"}})
    assert MessageWriter(what, SECRET).decoded(ADA).html == "Rhône"


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("sender", "nobody", "author"),
        ("sender", "Ada <ada@example.org>\r\nBcc: x@example.org", "author"),
        ("id", "x" * 201, "shorter `slug:`"),
        ("list_id", "Title", "List-Id"),
        ("unsubscribe_url", "https://example.org/a b", "List-Unsubscribe"),
        ("unsubscribe_mailto", "a@example.org>, <x", "List-Unsubscribe"),
        ("reply_to", "nobody", "reply_to"),
    ],
)
def test_what_can_not_stand_in_a_header_is_refused(field: str, value: str, what: str) -> None:
    with pytest.raises(NewsletterError, match=what):
        MessageWriter(issue(**{field: value}), SECRET)


@pytest.mark.parametrize("fixed", HOSTILE)
def test_hostile_text_anywhere_in_an_issue_adds_no_field(fixed: str) -> None:
    fixed = fixed.encode("utf-8", "replace").decode()  # what compose lets into an issue
    message = write(issue(id=fixed[:100], preheader=fixed, subject=(fixed,), html=(fixed,), text=(fixed,)))
    assert_fit_for_the_wire(message)
    assert Counter(parsed(message).keys()) == Counter(FIELDS)


def test_equal_slots_are_filled_once(tmp_path: Path) -> None:
    parts = cut_template(
        tmp_path, "{{ subscriber.name }} and {{ subscriber.name }}{% if subscriber.city %}!{% endif %}"
    )
    assert MessageWriter(issue(html=parts), SECRET).decoded(ADA).html == "Ada and Ada!"
