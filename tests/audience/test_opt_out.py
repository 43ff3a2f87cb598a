"""A column that says that somebody left is honoured where its value says so, in its sense, and else only shown."""

import pytest

from newsletter.audience.csv.header import column_name
from newsletter.audience.opt_out import StatusTally, opt_out_column

EXPORTS = {  # a column's title as the house writes it: values of those who left, values of those who did not
    "status": (
        "unsubscribed blocklisted bounced disabled cancelled complained cleaned archived inactive Junk",
        "active enabled lapsed",
    ),
    "subscriber_type": ("unsubscribed removed undeliverable complained unactivated", "regular premium gifted churned"),
    "type": ("unsubscribed", "regular free paid"),
    "state": ("Deleted Unsubscribed Bounced", "Active CA NO Bayern"),
    "MEMBER_STATUS": ("Unsubscribed Cleaned", "Subscribed"),
    "Email permission status": ("Unsubscribed", "Express Implied"),
    "Email Marketing Consent": ("UNSUBSCRIBED NEVER_SUBSCRIBED", "SUBSCRIBED"),
    "subscribed_to_emails": ("false FALSE no 0 off", "true TRUE yes 1"),
    "Subscribed": ("no false 0", "yes true 1 2023-01-01"),
    "Accepts Email Marketing": ("no", "yes"),
    "OPT_IN": ("No", "Yes"),
    "confirmed": ("0", "1"),
    "email_disabled": ("true TRUE yes 1", "false FALSE no 0"),
    "EMAIL_BLACKLISTED": ("Yes 1 true", "No 0 false"),
    "Unsubscribed from all email": ("true", "false"),
    "HasOptedOutOfEmail": ("1 TRUE", "0 FALSE"),
    "Unsubscribed": ("2024-02-03 yes x", "no 0"),
    "deleted_at": ("2024-02-03T10:11:12Z 1706954400", "NULL 0001-01-01T00:00:00Z 0000-00-00"),
    "UNSUB_TIME": ("2021-03-02 03/02/21", "null"),
    "UNSUB_REASON": ("NORMAL", "none"),
    "unsubscribedAt": ("2024-02-03", ""),
    "isUnsubscribed": ("true", "false"),
    "emailDisabled": ("true", "false"),
    "subscribedToEmails": ("false", "true"),
    "subscriptionStatus": ("unsubscribed", "active"),
    "IsExcludedFromCampaigns": ("true", "false"),
    "unsubscription_date": ("2024-02-03", "-"),
    "Marketing allowed": ("no false", "yes"),
    "OK to email": ("No 0", "Yes 1"),
    "Send newsletter": ("nein kein", "ja"),
    "Consent": ("withdrawn revoked declined denied", "given explicit"),
    "Consent withdrawn at": ("2024-03-01", ""),
    "Mail OK": ("n", "y"),
    "Permission": ("denied no", "granted"),
    "Do not e-mail": ("x TRUE", "0"),
    "Exclude": ("yes", "no"),
    "Aktiv": ("nein", "ja"),
    "abonniert": ("0", "1"),
    "Kündigung": ("03.02.2024", "-"),
    "Statut": ("Désabonné(e) désinscrits", "abonné"),
    "activo": ("no", "sí"),
}


@pytest.mark.parametrize(
    ("title", "value", "left"),
    [
        (title, value, left)
        for title, both in EXPORTS.items()
        for left, values in zip((True, False), both, strict=True)
        for value in values.split()
    ],
)
def test_a_value_says_that_somebody_left_or_not(title: str, value: str, left: bool) -> None:
    says = opt_out_column(column_name(title))
    assert says is not None
    assert says(value) is left


@pytest.mark.parametrize("title", list(EXPORTS))
def test_an_empty_value_says_nothing(title: str) -> None:
    says = opt_out_column(column_name(title))
    assert says is not None
    assert not says("")


@pytest.mark.parametrize(
    "title",
    [
        "active_subscription", "complimentary_plan", "plan", "expiry", "DOUBLE_OPT-IN", "SMS_BLACKLISTED",
        "bounce_count", "created_at", "subscribed_at", "confirmed_at", "membership_status", "phone_status", "estate",
        "city", "note", "tags", "email" * 20_000 + "x", "email_" * 12 + "x",
    ],
)  # fmt: skip
def test_what_is_not_about_mail_keeps_nobody_off_the_list(title: str) -> None:
    assert opt_out_column(column_name(title)) is None


def test_words_of_several_parts_and_spellings_are_the_same_word() -> None:
    says = opt_out_column("status")
    assert says is not None
    for value in (
        "Marked as spam",
        "marked-as-spam",
        "HARD_BOUNCE",
        "Unsubscribed (by admin)",
        "not subscribed",
        "Opted-out",
    ):
        assert says(value), value
    for value in ("soft bounced", "unsubscribable", "resubscribed", "1", "2"):
        assert not says(value), value


def test_values_are_counted_and_dates_together() -> None:
    tally = StatusTally(["status", "city", "unsubscribed_at", "archived"])
    for status, moment in (
        ("active", ""),
        ("active", ""),
        ("odd", ""),
        ("unsubscribed", "2024-01-01"),
        ("", "2024-01-02"),
    ):
        tally.add({"status": [status], "city": ["Lyon"], "unsubscribed_at": [moment], "archived": [""]})
    assert [str(column) for column in tally.columns()] == [
        "status: active 2, odd 1, empty 1, unsubscribed 1 (left)",
        "unsubscribed_at: empty 3, a date 2 (left)",
    ]


def test_a_column_of_many_values_is_counted_in_bounded_memory_and_shown_in_one_line() -> None:
    tally = StatusTally(["state"])
    for number in range(5000):
        tally.add({"state": [f"place {number}"]})
    (column,) = tally.columns()
    assert sum(count for _, count, _ in column.values) == 5000
    assert len(column.values) <= 1001
    assert len(str(column)) < 200
    assert "others" in str(column)
