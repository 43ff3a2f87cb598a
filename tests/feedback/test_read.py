"""What a mail that came back is, whom it is about, and whether the address is at fault."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.feedback.read import read_feedback

from . import samples
from .samples import RETURNED, arf, dsn, plain

DIGEST = "00112233445566778899aabbccddeeff"
REF = "aaisem2ekvthpcezvk54zxpo74"
OURS = RETURNED.format(digest=DIGEST, ref=REF)

BOUNCES = [
    ("exim", samples.EXIM, True, "unknown address"),
    ("qmail", samples.QMAIL, True, "unknown address"),
    ("qmail, full", samples.QMAIL_FULL, False, "mailbox full"),
    ("sendmail", samples.SENDMAIL, True, "unknown address"),
    ("exchange", samples.EXCHANGE, True, "unknown address"),
    ("domino", samples.DOMINO, True, "unknown address"),
    ("yahoo", samples.YAHOO, True, "unknown address"),
    ("gmail", samples.GMAIL, True, "unknown address"),
    ("german", samples.GERMAN, True, "unknown address"),
    ("french", samples.FRENCH, False, "mailbox full"),
    ("japanese", samples.JAPANESE, True, "unknown address"),
    ("spanish", samples.SPANISH, True, "unknown address"),
    ("italian", samples.ITALIAN, False, "mailbox full"),
    ("russian", samples.RUSSIAN, True, "unknown address"),
    ("chinese", samples.CHINESE, True, "unknown address"),
    ("opensmtpd", samples.OPENSMTPD, True, "unknown address"),
    ("exchange, by X.400", samples.X400, True, "unknown address"),
    ("a reply alone, to the subject that was sent", samples.REPLY_ALONE, True, "unknown address"),
    ("no words at all", samples.WORDLESS, False, "other"),
    ("microsoft 365", samples.OFFICE_365, True, "unknown address"),
    ("amazon ses", samples.AMAZON_SES, True, "unknown domain"),
]


@pytest.mark.parametrize(("name", "mail", "hard", "reason"), BOUNCES, ids=[name for name, *_ in BOUNCES])
def test_prose_of_many_servers_is_a_bounce(name: str, mail: str, hard: bool, reason: str) -> None:
    found = read_feedback(mail.encode())
    assert (found.kind, found.email, found.hard, found.reason) == ("bounce", "lea@example.net", hard, reason)


REPLIES = [
    ("5.1.1", "550 5.1.1 <lea@example.net>: Recipient address rejected: User unknown", True, "unknown address"),
    ("5.0.0", "550 unknown user", True, "unknown address"),
    ("5.7.1", "550 5.7.1 No such user here", True, "unknown address"),
    ("5.4.1", "550 5.4.1 Recipient address rejected: Access denied", True, "unknown address"),
    ("5.1.2", "550 5.1.2 Host unknown", True, "unknown domain"),
    ("5.1.10", "556 5.1.10 Recipient address has null MX", True, "unknown domain"),
    ("5.1.6", "551 5.1.6 User has moved; please try other@example.com", True, "moved"),
    ("5.2.2", "552 5.2.2 Mailbox full", False, "mailbox full"),
    ("4.2.2", "452 4.2.2 The email account that you tried to reach is over quota", False, "mailbox full"),
    ("5.2.1", "550 5.2.1 The email account that you tried to reach is disabled", False, "disabled"),
    ("5.3.4", "552 5.3.4 Message size exceeds fixed limit", False, "too large"),
    ("5.7.26", "550 5.7.26 This mail has been blocked because the sender is unauthenticated", False, "authentication"),
    ("5.7.1", "550 5.7.1 Message rejected due to DMARC policy", False, "authentication"),
    ("5.7.25", "550 5.7.25 The IP address sending this message does not have a PTR record", False, "reverse dns"),
    ("5.7.1", "554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org", False, "blocked"),
    ("5.7.1", "550 5.7.1 This message looks like spam", False, "spam"),
    ("4.4.1", "connect to mx.example.net[192.0.2.7]:25: Connection timed out", False, "expired"),
    ("4.7.0", "421 4.7.0 Too many connections, try again later", False, "rate"),
    ("5.0.0", "550 <lea@example.net>: Recipient address rejected.", True, "unknown address"),
    ("5.0.0", "5.1.0 - Unknown address error 550-'5.7.1 <id@example.org>... Access denied'", False, "blocked"),
    ("5.0.0", "550 Access from ip address 192.0.2.1 blocked", False, "blocked"),
    ("5.0.0", "delivery has failed due to a full mailbox", False, "mailbox full"),
    ("5.0.0", "the group (oaks) may not exist, or you may not have permission to post", False, "group"),
    ("5.0.0", "550 Postfach existiert nicht", True, "unknown address"),
    ("5.0.0", "Unable to find user: <lea@example.net>", True, "unknown address"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "diagnostic", "hard", "reason"), REPLIES, ids=[words[:40] for _, words, *_ in REPLIES]
)
def test_words_and_status_say_whose_fault_it_is(status: str, diagnostic: str, hard: bool, reason: str) -> None:
    found = read_feedback(dsn("lea@example.net", status, diagnostic, returned=OURS).encode())
    assert (found.kind, found.email, found.hard, found.reason, found.status) == (
        "bounce", "lea@example.net", hard, reason, status,
    )  # fmt: skip
    assert found.refs == (REF,)


def test_what_is_about_us_says_nothing_of_the_reader() -> None:
    spam = read_feedback(dsn("lea@example.net", "5.7.1", "550 5.7.1 spam detected").encode())
    full = read_feedback(dsn("lea@example.net", "5.2.2", "552 5.2.2 full").encode())
    assert (spam.about_us, full.about_us) == (True, False)


@pytest.mark.parametrize("kind", ["delayed", "relayed", "delivered", "expanded"])
def test_a_notice_of_no_failure_is_no_bounce(kind: str) -> None:
    found = read_feedback(dsn("lea@example.net", "4.4.7", "delayed", action=kind, returned=OURS).encode())
    assert (found.kind, found.reason) == ("other", kind)


@pytest.mark.parametrize(
    "mail", [samples.AWAY, samples.CHALLENGE, samples.REPLY, samples.FORWARDED, samples.NEWS], ids=str.__len__
)
def test_ordinary_mail_is_no_bounce(mail: str) -> None:
    assert read_feedback(mail.encode()).kind == "other"


def test_a_reply_is_counted_as_one() -> None:
    assert read_feedback(samples.REPLY.encode()).reason == "reply"


def test_the_address_that_a_bounce_came_to_names_the_message() -> None:
    mail = dsn(
        "somebody@example.com", "5.1.1", "550 no", to=f"bounces+{REF.upper()}@example.org", returned="Subject: x\n"
    )
    assert read_feedback(mail.encode()).refs == (REF,)


def test_the_message_id_names_the_message_where_the_rest_is_gone() -> None:
    mail = dsn("lea@example.net", "5.1.1", "550 no", returned=f"Message-ID: <{DIGEST}@example.org>\n")
    assert read_feedback(mail.encode()).refs == (REF,)


@pytest.mark.parametrize("kind", ["abuse", "fraud", "opt-out"])
def test_a_report_of_abuse_is_a_complaint(kind: str) -> None:
    found = read_feedback(arf(kind, email="lea@example.net", returned=OURS).encode())
    assert (found.kind, found.email, found.refs) == ("complaint", "lea@example.net", (REF,))


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
def test_a_report_of_something_else_is_no_complaint(kind: str) -> None:
    assert read_feedback(arf(kind, returned=OURS).encode()).kind == "other"


LEAVING = [
    ("unsubscribe", ""), ("Unsubscribe", "please"), ("Re: Oaks", "Please unsubscribe me.\n\n> Oaks"), ("abmelden", ""),
    ("désabonner", ""), ("STOP", ""), ("", "remove me from your list"), ("darme de baja", ""),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "text"), LEAVING)
def test_who_asks_to_leave_is_heard(subject: str, text: str) -> None:
    mail = plain("Léa <lea@example.net>", subject, text, more="Content-Type: text/plain; charset=utf-8\n")
    found = read_feedback(mail.encode(), leave="ada@example.org")
    assert (found.kind, found.email) == ("unsubscribe", "lea@example.net")


@pytest.mark.parametrize("token", ["A" * 22 + "-_x", "-" + "A" * 22, "_" + "A" * 22])
def test_a_token_is_taken_from_subject_address_or_body(token: str) -> None:
    for mail in (
        plain("x@example.com", f"unsubscribe {token}", ""),
        plain("x@example.com", "", "", to=f"unsubscribe+{token}@example.org"),
        plain("x@example.com", "bye", f"Subject: unsubscribe {token}"),
    ):
        found = read_feedback(mail.encode())
        assert (found.kind, found.token) == ("unsubscribe", token)


def test_a_letter_that_mentions_leaving_is_for_people() -> None:
    text = "Stop me if you heard this.\n" + "I have been reading for years, and here is what I think of it. " * 10
    assert read_feedback(plain("lea@example.net", "Hello", text).encode()).kind == "other"


@pytest.mark.parametrize("subject", ["Stop by when you are in Lyon", "Remove the stain from my coat?", "Stop worrying"])
def test_a_short_letter_is_no_request_to_leave(subject: str) -> None:
    assert read_feedback(plain("lea@example.net", subject, "").encode(), leave="ada@example.org").kind == "other"


def test_what_a_mailing_list_hands_out_is_no_bounce_but_for_a_reference_of_ours() -> None:
    listed = "List-Post: <mailto:oaks@example.com>\n"
    assert read_feedback((listed + samples.QMAIL).encode()).kind == "other"
    assert read_feedback((listed + dsn("lea@example.net", "5.1.1", "550 no", returned=OURS)).encode()).kind == "bounce"


def test_a_torn_or_indented_bounce_is_one() -> None:
    torn = samples.QMAIL.replace("Date:", "Content-Type: multipart/mixed\nDate:")
    for mail in ("   \n\n" + samples.GMAIL, torn):
        found = read_feedback(mail.encode())
        assert (found.kind, found.email, found.hard) == ("bounce", "lea@example.net", True)


def test_a_japanese_status_is_read_in_its_own_letters() -> None:
    mail = dsn("lea@example.net", "5.0.0", "ディレクトリには見つかりません", returned="Subject: x\n")
    assert read_feedback(mail.encode("iso-2022-jp")).reason == "unknown address"


STATUS = "--a\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822;x@example.org\nAction: failed\n\n"


@pytest.mark.parametrize(
    "mail",
    [
        plain("MAILER-DAEMON@example.net", "failure notice", "-" * 60_000),
        plain("MAILER-DAEMON@example.net", "failure notice", "+a=" * 20_000),
        plain(
            "MAILER-DAEMON@example.net",
            "failure notice",
            STATUS * 3_000,
            more="Content-Type: multipart/report; boundary=a\n",
        ),
    ],
    ids=["dashes", "one word", "parts"],
)
def test_a_bomb_is_read_in_a_moment(mail: str) -> None:
    begun = time.process_time()
    read_feedback(mail.encode())
    assert time.process_time() - begun < 2.0  # minutes, where a pattern goes back and forth


WHOLE = [mail for _, mail, *_ in BOUNCES] + [
    dsn("lea@example.net", "5.1.1", "550 no such user", returned=OURS), arf("abuse", returned=OURS),
    samples.AWAY, samples.REPLY,
]  # fmt: skip


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_make_no_difference(end: bytes) -> None:
    for mail in WHOLE:
        data = mail.encode()
        assert read_feedback(data.replace(b"\n", end)).kind == read_feedback(data).kind


@given(seed=st.integers(0, 2**32), number=st.integers(0, len(WHOLE) - 1), changes=st.integers(1, 30))
def test_mutilated_mails_crash_nothing(seed: int, number: int, changes: int) -> None:
    chance = random.Random(seed)
    data = bytearray(WHOLE[number].encode())
    for _ in range(changes):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randrange(200)]
            case 2:
                data[at:at] = data[at : at + chance.randrange(500)]
            case _:
                data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(20)))
        if not data:
            break
    read_feedback(bytes(data))


@given(st.binary(max_size=3000))
def test_bytes_of_any_kind_are_something_else(data: bytes) -> None:
    assert read_feedback(data).kind in {"other", "bounce", "unsubscribe"}
