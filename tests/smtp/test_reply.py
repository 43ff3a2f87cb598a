"""The verdict on a reply: a table, tested with a table."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.smtp.limit import our_limit
from newsletter.smtp.reply import MAX_TEXT, Action, Reply, Verdict, parse_reply, verdict

TABLE = [
    # command, line, action, what else is set
    (".", "250 2.0.0 ok: queued as 4F", Action.SENT, set()),
    ("MAIL", "421 4.3.2 going down", Action.AGAIN, {"slow"}),
    (".", "421 4.7.0 try later", Action.AGAIN, {"slow"}),
    ("RCPT", "450 4.2.0 greylisted", Action.DEFER, {"slow"}),
    ("RCPT", "451 4.7.1 too fast", Action.DEFER, {"slow"}),
    ("RCPT", "452 4.2.2 over quota", Action.DEFER, {"slow"}),
    (".", "454 4.7.0 not now", Action.DEFER, {"slow"}),
    (".", "432 4.7.12 a password transition is needed", Action.DEFER, set()),
    ("RCPT", "550 5.1.1 no such user", Action.FAIL, {"suppress"}),
    ("RCPT", "550 5.1.2 no such host", Action.FAIL, {"suppress"}),
    ("RCPT", "553 5.1.3 bad address", Action.FAIL, {"suppress"}),
    ("RCPT", "551 5.1.6 moved", Action.FAIL, {"suppress"}),
    ("RCPT", "556 5.1.10 null MX", Action.FAIL, {"suppress"}),
    (".", "550 5.1.1 no such user, found late", Action.FAIL, {"suppress"}),
    ("RCPT", "550 no such user here", Action.FAIL, set()),
    ("RCPT", "550 5.1.0 address rejected", Action.FAIL, set()),
    ("RCPT", "552 5.2.2 mailbox full", Action.FAIL, {"full"}),
    ("RCPT", "550 5.2.1 mailbox disabled", Action.FAIL, {"full"}),
    (".", "550 5.7.1 message refused", Action.FAIL, {"policy"}),
    ("RCPT", "554 5.7.1 relay access denied", Action.FAIL, {"policy"}),
    (".", "554 this looks like spam", Action.FAIL, {"policy"}),
    (".", "554 transaction failed", Action.FAIL, set()),
    ("DATA", "503 5.5.1 bad sequence", Action.FAIL, set()),
    ("MAIL", "530 5.7.0 log in first", Action.STOP, {"hint"}),
    ("AUTH", "534 5.7.9 mechanism too weak", Action.STOP, {"hint"}),
    ("AUTH", "535 5.7.8 bad credentials", Action.STOP, {"hint"}),
    ("AUTH", "538 5.7.11 encryption needed", Action.STOP, {"hint"}),
    ("RCPT", "530 5.7.1 log in first", Action.STOP, {"hint"}),
    ("MAIL", "550 5.1.8 bad sender", Action.STOP, {"hint"}),
    ("MAIL", "501 5.1.7 syntax", Action.STOP, {"hint"}),
    ("MAIL", "552 5.3.4 too large", Action.STOP, {"hint"}),
    (".", "552 too much", Action.FAIL, {"full"}),
    (".", "552 message size exceeds fixed limit", Action.STOP, {"hint"}),
    (".", "554 5.3.4 too large", Action.STOP, {"hint"}),
    (".", "552 5.2.3 message length exceeds the limit", Action.STOP, {"hint"}),
    ("RCPT", "552 mailbox size limit exceeded", Action.FAIL, {"full"}),
    ("RCPT", "452 4.2.2 mailbox over quota", Action.DEFER, {"slow"}),
    ("RCPT", "450 4.2.1 the user you are trying to contact is receiving mail at a rate", Action.DEFER, {"slow"}),
    (".", "550 5.4.5 Daily user sending limit exceeded. For more information go to", Action.REST, {"window"}),
    (".", "550 5.1.90 you've reached your daily limit for message recipients", Action.REST, {"window"}),
    (".", "554 5.7.1 limit of 300 per 24 hours reached", Action.REST, {"window"}),
    ("RCPT", "550 Domain example.org has exceeded the max emails per hour (100/100) allowed", Action.REST, {"window"}),
    (
        "RCPT",
        "550 User ada has exceeded its 24-hour sending limit. Relay quota will reset in 10.5 hours",
        Action.REST,
        {"window"},
    ),
    (".", "454 Throttling failure: Daily message quota exceeded.", Action.REST, {"window"}),
    (".", "454 Throttling failure: Maximum sending rate exceeded.", Action.REST, {"window"}),
    (".", "452 4.3.0 sending quota exceeded", Action.REST, set()),
    (".", "550 5.7.0 Requested action not taken: too many emails per second", Action.REST, {"window"}),
    ("MAIL", "550 5.7.1 hourly sending limit exceeded", Action.REST, {"window"}),
    ("MAIL", "421 4.7.0 daily sending quota exceeded", Action.REST, {"window"}),
    ("MAIL", "421 4.7.28 unusual rate of mail", Action.AGAIN, {"slow"}),
    ("RCPT", "451 4.7.1 rate limit, slow down", Action.DEFER, {"slow"}),
    (
        ".",
        "554 Message rejected: Email address is not verified. The following identities failed",
        Action.STOP,
        {"hint"},
    ),
    ("RCPT", "553 5.7.1 <ada@example.org>: Sender address rejected: not owned by user ada", Action.STOP, {"hint"}),
    (".", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", Action.STOP, {"hint"}),
    (".", "550 The from address does not match a verified Sender Identity", Action.STOP, {"hint"}),
    ("RCPT", "550 5.7.1 Recipient address is not allowed", Action.FAIL, {"policy"}),
    (".", "550 5.7.1 The From domain example.org is not a verified sending domain", Action.STOP, {"hint"}),
    (".", "550 5.7.1 From header address not allowed for this account", Action.STOP, {"hint"}),
    (".", "553 5.7.1 Sender is not same as SMTP authenticate username", Action.STOP, {"hint"}),
    (".", "554 5.7.8 Sender's email address is not associated with this account", Action.STOP, {"hint"}),
    (".", "554 5.7.1 Sandbox subdomains are for test purposes only", Action.STOP, {"hint"}),
    (".", "553 Relaying disallowed as ada@example.org", Action.STOP, {"hint"}),
    ("RCPT", "550 Sender verify failed", Action.STOP, {"hint"}),
    (".", "502 5.7.0 Your SMTP account is not yet activated", Action.STOP, {"hint"}),
    (".", "554 Sending paused for this account", Action.STOP, {"hint"}),
    ("RCPT", "550 5.7.1 Authentication required", Action.STOP, {"hint"}),
    (".", "550 SMTP AUTH is required for message submission on port 587", Action.STOP, {"hint"}),
    ("RCPT", "550 Please turn on SMTP Authentication in your mail client", Action.STOP, {"hint"}),
    (".", "523 5.7.10 Encryption needed", Action.STOP, {"hint"}),
    ("RCPT", "554 5.7.1 <my_pc>: Hello name rejected", Action.STOP, {"hint"}),
    ("RCPT", "554 5.7.1 Client host [192.0.2.1] blocked using a list", Action.STOP, {"hint"}),
    ("RCPT", "554 5.7.1 host mx.example.net said: Client host [192.0.2.1] blocked", Action.FAIL, {"policy"}),
    ("RCPT", "550 relay not permitted", Action.FAIL, {"policy"}),
    ("RCPT", "553 sorry, that domain isn't in my list of allowed rcpthosts", Action.FAIL, {"policy"}),
    (".", "550 5.7.1 mail from this network is unwelcome", Action.FAIL, {"policy"}),
    (".", "552 5.2.2 You have exceeded your sending limits", Action.REST, set()),
    ("RCPT", "450 4.2.1 You have reached the hourly sending limit", Action.REST, {"window"}),
    (".", "554 5.7.1 You've hit your monthly email cap", Action.REST, {"window"}),
    (".", "550 You have used up all your free emails for this month", Action.REST, {"window"}),
    (".", "550 5.7.0 Insufficient sending credits", Action.REST, {"window"}),
    ("RCPT", "550 5.7.1 recipient has reached daily limit of received mail", Action.FAIL, {"policy"}),
    ("RCPT", "421 4.7.26 unauthenticated", Action.DEFER, {"policy", "hint"}),
    ("RCPT", "450 4.7.23 no SPF", Action.DEFER, {"policy", "hint"}),
    (".", "550 5.7.1 SPF check failed", Action.STOP, {"hint"}),
    (".", "550 5.7.509 does not pass DMARC", Action.STOP, {"hint"}),
    ("AUTH", "535 5.7.139 Authentication unsuccessful, basic authentication is disabled", Action.STOP, {"hint"}),
    (".", "550 5.7.30 Basic authentication is not supported for client submission", Action.STOP, {"hint"}),
    ("RCPT", "501 5.5.2 <my_laptop.example.org>: Helo command rejected: Invalid name", Action.STOP, {"hint"}),
    ("EHLO", "550 5.7.1 go away", Action.STOP, {"hint"}),
    (".", "554 5.7.1 too many links", Action.FAIL, {"policy"}),
    (".", "550 5.4.6 too many hops", Action.FAIL, set()),
    (".", "552 5.3.4 too large", Action.STOP, {"hint"}),
    ("connect", "554 go away", Action.STOP, {"hint"}),
    ("connect", "521 no mail here", Action.STOP, {"hint"}),
    (".", "550 5.7.26 unauthenticated", Action.STOP, {"hint"}),
    (".", "550 5.7.32 no alignment", Action.STOP, {"hint"}),
    ("RCPT", "550 5.7.40 DKIM", Action.STOP, {"hint"}),
    (".", "550 5.7.515 access denied", Action.STOP, {"hint"}),
    (".", "550 5.7.25 no PTR", Action.STOP, {"hint"}),
    (".", "354 what?", Action.UNKNOWN, set()),
    (".", "999 what?", Action.UNKNOWN, set()),
    (".", "what?", Action.UNKNOWN, set()),
    ("RCPT", "354 what?", Action.AGAIN, set()),
]


@pytest.mark.parametrize(("command", "line", "action", "flags"), TABLE, ids=[f"{row[0]} {row[1]}" for row in TABLE])
def test_each_reply_means_one_thing(command: str, line: str, action: Action, flags: set[str]) -> None:
    meaning = verdict(parse_reply([line], command))
    assert meaning.action is action
    assert {
        name for name in ("suppress", "full", "slow", "policy", "hint", "window") if getattr(meaning, name)
    } == flags


def test_a_reply_of_several_lines_is_one_text() -> None:
    reply = parse_reply(["550-5.7.1 Your mail was", "550-5.7.1 refused, see", "550 5.7.1 https://example.net/x"], ".")
    assert reply == Reply(550, "5.7.1", "Your mail was refused, see https://example.net/x", ".")
    assert str(reply) == "550 5.7.1 Your mail was refused, see https://example.net/x"


def test_a_text_that_begins_like_a_number_is_no_status() -> None:
    assert parse_reply(["250 2.0 is our version"], ".").status == ""
    assert parse_reply(["250 5 messages"], ".").text == "5 messages"


@given(st.lists(st.text(max_size=900), max_size=4), st.sampled_from(["MAIL", "RCPT", "DATA", ".", "connect"]))
def test_whatever_a_server_says_has_a_verdict_and_a_printable_text(lines: list[str], command: str) -> None:
    reply = parse_reply(lines, command)
    assert isinstance(verdict(reply), Verdict)
    assert len(reply.text) <= MAX_TEXT
    assert not any(ord(char) < 32 or ord(char) == 127 for char in reply.text)
    assert verdict(reply).action is not Action.SENT or command == "."


def test_a_relay_that_wants_tls_is_told_from_one_that_wants_a_login() -> None:
    wants_tls = verdict(parse_reply(["530 5.7.0 Must issue a STARTTLS command first"], "MAIL"))
    wants_login = verdict(parse_reply(["530 5.7.0 Authentication required"], "MAIL"))
    assert "TLS" in wants_tls.hint
    assert "NEWSLETTER_SMTP__PASSWORD" in wants_login.hint


@given(st.text(st.characters(min_codepoint=9, max_codepoint=0x2030), max_size=40))
def test_the_short_way_of_reading_a_reply_says_what_the_long_one_says(text: str) -> None:
    short = parse_reply([f"250 2.1.5 {text}"], "RCPT")
    assert (short.code, short.status, short.command) == (250, "2.1.5", "RCPT")
    assert short.text == " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text.strip()).split("\n")).strip()


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("Daily user sending limit exceeded", 86_400),
        ("limit of 300 messages per 24 hours", 86_400),
        ("monthly message quota reached", 31 * 86_400),
        ("hourly sending limit exceeded", 3600),
        ("too many messages, try again in 15 minutes", 900),
        ("sending limit; quota will reset in 10.5 hours", 37_800),
        ("too many messages per minute", 60),
        ("too many emails per second", 1),
        ("sending limit exceeded", 0),
    ],
)
def test_a_limit_says_until_when(text: str, window: float) -> None:
    assert our_limit("5.7.1", text) == window


def test_a_login_that_takes_no_password_names_xoauth2() -> None:
    for line in (
        "535 5.7.139 Authentication unsuccessful, basic authentication is disabled",
        "550 5.7.30 no basic auth",
    ):
        assert "XOAUTH2" in verdict(parse_reply([line], "AUTH")).hint
