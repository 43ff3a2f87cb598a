"""The houses that lists come from: what their exports call things, and what their words for leaving mean.

A table, one entry a house, read from exports and from the programs that write them (listmonk, Ghost: their source;
beehiiv, Mailchimp, Substack: the files that Ghost's migration tools are tested with; Buttondown, Kit: the states of
their public APIs, and what other importers of their exports are tested with; Brevo and the rest: files that people
published, and manuals; November 2026). Names of columns are as `column_name` makes them. What a house is not asked
about stays a column of its own.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from newsletter.audience.csv.header import ALSO_NAME, NAME_PARTS
from newsletter.errors import NewsletterError

Fate = Literal["subscriber", "unsubscribe", "bounce", "complaint", "manual", "unconfirmed", "stranger"]
"""A subscriber; a suppression, by its reason; somebody who never confirmed; somebody who never signed up at all."""


_NAMES = (("name",), *((name,) for name in ALSO_NAME), *NAME_PARTS)
"""What a name is called where a house has no word of its own: people name their fields in their language."""


@dataclass(frozen=True, slots=True)
class House:
    """How one house writes a person; of several names for one thing, the first that the file has counts."""

    marks: tuple[frozenset[str], ...] = ()  # columns that tell its exports: all of any one set
    email: tuple[str, ...] = ("email", "email_address")
    name: tuple[tuple[str, ...], ...] = _NAMES
    tags: tuple[str, ...] = ("tags",)
    joined: tuple[str, ...] = ("created_at",)
    left: tuple[str, ...] = ()  # when somebody left
    occasion: tuple[str, ...] = ()  # over which mailing, or why: kept with the suppression's record
    unpacked: tuple[str, ...] = ()  # columns that hold a JSON object of further columns
    dropped: frozenset[str] = frozenset()  # of no use here
    states: Mapping[str, Mapping[str, Fate]] = field(
        default_factory=dict
    )  # column: its value, as `plain` makes it: fate
    filled: Mapping[str, Fate] = field(default_factory=dict)  # column: fate where it is not empty
    file_names: Mapping[str, Fate] = field(default_factory=dict)  # what the file is called, where that alone tells
    day_first: bool = False  # its days are written like 18-06-2024
    guarded: bool = True  # an apostrophe may keep a spreadsheet from taking a cell for a formula


_TRUE = ("true", "yes", "1", "x", "oui", "ja")
_FALSE = ("false", "no", "0", "non", "nein")


def _all(values: tuple[str, ...], fate: Fate) -> dict[str, Fate]:
    return dict.fromkeys(values, fate)


STATES: dict[str, Fate] = {
    **_all(("unsubscribed", "unsubscribe", "opted out", "cancelled", "canceled", "removed"), "unsubscribe"),
    **_all(("bounced", "bounce", "cleaned", "undeliverable", "hard bounced", "hard bounce", "invalid"), "bounce"),
    **_all(("complained", "complaint", "spam", "marked as spam", "abuse"), "complaint"),
    **_all(("blocklisted", "blacklisted", "blocked", "banned", "disabled", "deleted", "archived", "spammy"), "manual"),
    **_all(("unconfirmed", "not confirmed", "pending", "unactivated", "validating", "awaiting confirmation"),
           "unconfirmed"),
    **_all(("nonsubscribed", "non subscribed", "transactional", "never subscribed"), "stranger"),
}  # fmt: skip
"""What their words for a state have in common, as `plain` makes them; others are read as a list's own would be."""

_BLOCKED = (
    "blacklisted", "blocklisted", "email_blacklisted", "email_blocklisted", "emailblacklisted", "unsubscribed",
    "email_unsubscribed", "blocklisted_email", "unsubscribed_email",
)  # fmt: skip


def _marks(*sets: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(columns.split()) for columns in sets)


HOUSES: dict[str, House] = {
    "mailchimp": House(
        marks=_marks(
            "euid", "leid", "member_rating", "optin_ip", "confirm_ip", "unsub_time", "unsub_campaign_title",
            "clean_time", "clean_campaign_title", "optin_time confirm_time",
        ),
        joined=("confirm_time", "optin_time", "date_added"),
        left=("unsub_time", "clean_time", "last_changed"),
        occasion=("unsub_campaign_title", "clean_campaign_title", "unsub_reason", "unsub_reason_other"),
        dropped=frozenset(
            (
                "member_rating", "latitude", "longitude", "gmtoff", "dstoff", "leid", "euid",
                "unsub_campaign_id", "clean_campaign_id",
            )
        ),
        states={
            "status": STATES,
            "marketing_status": STATES,
            "unsub_reason": {"spam": "complaint", "abuse": "complaint"},
        },
        filled={"unsub_time": "unsubscribe", "clean_time": "bounce"},
        file_names={"nonsubscribed_": "stranger", "unsubscribed_": "unsubscribe", "cleaned_": "bounce"},
    ),
    "substack": House(
        marks=_marks(
            "email_disabled", "active_subscription", "stripe_plan start_date", "start_date subscription_source_free",
            "user_email_address subscription_created_at",
        ),
        email=("email", "user_email_address"),
        name=(("name",), ("user_name",)),
        joined=("created_at", "start_date", "subscription_created_at", "subscription_date"),
        left=("unsubscribed_at", "cancel_date"),
        dropped=frozenset(("digest_enabled", "is_subscribed")),  # the second: whether they see what is paid for
        states={"email_disabled": _all(_TRUE, "unsubscribe")},
        filled={"unsubscribed_at": "unsubscribe"},
    ),
    "ghost": House(
        marks=_marks("subscribed_to_emails", "complimentary_plan"),
        tags=("labels",),
        left=("deleted_at",),
        dropped=frozenset(("id", "gift_id")),
        states={"subscribed_to_emails": _all(_FALSE, "unsubscribe"), "subscribed": _all(_FALSE, "unsubscribe")},
        filled={"deleted_at": "unsubscribe"},
    ),
    "buttondown": House(
        marks=_marks("subscriber_type", "unsubscription_date", "type creation_date"),
        joined=("creation_date", "created_at"),
        left=("unsubscription_date", "undeliverability_date", "churn_date"),
        occasion=("unsubscription_reason", "undeliverability_reason"),
        unpacked=("metadata",),
        dropped=frozenset(("id", "secondary_id", "ip_address", "avatar_url")),
        states={
            name: {**STATES, "removed": "manual", "upcoming": "unconfirmed", "paused": "subscriber"}  # of what is paid
            for name in ("type", "subscriber_type")
        },
        filled={"unsubscription_date": "unsubscribe", "undeliverability_date": "bounce"},
        file_names={"unsubscribers": "unsubscribe"},
    ),
    "listmonk": House(
        marks=_marks("uuid attributes", "uuid attribs", "uuid status"),
        left=("updated_at",),
        unpacked=("attributes", "attribs"),
        dropped=frozenset(("uuid", "id", "updated_at")),
        states={
            "status": {**STATES, "blocklisted": "unsubscribe"},
            "subscription_status": STATES,
        },
    ),
    "kit": House(
        marks=_marks(
            "email_address first_name status created_at", "email_address first_name state created_at",
            "last_subscribed_through", "subscriber_id first_name state",
        ),
        left=("cancelled_at", "unsubscribed_at", "canceled_at"),
        joined=("created_at", "subscribed_at", "date_subscribed", "subscribed_on", "confirmed_at"),
        dropped=frozenset(("id", "subscriber_id")),
        states={name: {**STATES, "inactive": "unconfirmed"} for name in ("status", "state")},
        filled={"unsubscribed_at": "unsubscribe", "cancelled_at": "unsubscribe", "canceled_at": "unsubscribe"},
    ),
    "beehiiv": House(
        marks=_marks(
            "subscription_tier", "subscription_id status", "referral_code status", "status tier",
            "free_tier premium_tier", "acquisition_source status",
        ),
        joined=(
            "subscription_date_substack", "created_at", "subscribed_at", "created", "subscribe_date",
            "subscription_created_at",
        ),
        left=("unsubscribed_at", "unsubscribe_date"),
        dropped=frozenset(
            (
                "id", "subscription_id", "subscriber_id", "referral_code", "open_rate", "click_through_rate",
                "stripe_customer_id",
            )
        ),
        states={
            "status": {**STATES, "inactive": "unsubscribe", "paused": "unsubscribe", "needs attention": "unconfirmed"}
        },
        filled={"unsubscribed_at": "unsubscribe", "unsubscribe_date": "unsubscribe"},
    ),
    "brevo": House(
        marks=_marks(
            "added_time modified_time", "contact_id email", "double_opt_in", "emailblacklisted", "email_blacklisted",
        ),
        name=(("firstname", "lastname"), *NAME_PARTS, ("name",)),
        joined=("added_time", "createdat", "created_at"),
        left=("unsubscribed_at", "modified_time"),
        day_first=True,
        dropped=frozenset(("contact_id", "id", "modified_time", "_listids", "listids")),
        states={
            **{name: {**_all(_TRUE, "unsubscribe"), **STATES} for name in _BLOCKED},
            "email_marketing": STATES,
            "email_subscription_status": STATES,
            "email_status": STATES,
            "status": STATES,
            "double_opt_in": _all((*_FALSE, "2"), "unconfirmed"),
        },
    ),
}  # fmt: skip
"""What `--from` takes."""

ANY = House(
    joined=("joined", "created_at", "subscribed_at", "creation_date", "optin_time", "confirm_time", "added_time"),
    left=("unsubscribed_at", "unsub_time"),
)
"""A list of no house that is known: our own export, a spreadsheet."""

LIST = House(name=(("name",), *NAME_PARTS), joined=("joined",), guarded=False)
"""The newsletter's own list."""


OTHER = "other"
"""What `--from` takes for a list of no house, though its columns look like a house's."""


def house_of(name: str | None) -> House:
    """The house that `--from` names; ANY without one. Raises NewsletterError."""
    if name is None or name.lower() == OTHER:
        return ANY
    try:
        return HOUSES[name.lower().replace("convertkit", "kit").replace("sendinblue", "brevo")]
    except KeyError:
        what = f"--from {name!r} is no house that is known here; write one of {', '.join(HOUSES)}, {OTHER}"
        raise NewsletterError(what) from None


def likely_houses(columns: tuple[str, ...], file_name: str) -> list[str]:
    """The houses whose export this may be, by columns that no other has, or by the name that an export is given.

    Empty for an export of our own: beside `joined`, which none has, it may keep the columns of a house.
    """
    there, file_name = set(columns), file_name.lower()
    if {"email", "joined"} <= there:
        return []
    by_columns = [name for name, house in HOUSES.items() if any(mark <= there for mark in house.marks)]
    if by_columns or "export" not in file_name:
        return by_columns
    return [name for name, house in HOUSES.items() if any(part in file_name for part in house.file_names)]


def unpack(text: str) -> dict[str, str]:
    """A cell that holds a JSON object, as columns: lists with commas, anything deeper as JSON."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(value, dict):
        return {}
    return {_name(str(key)): _text(item) for key, item in value.items() if _name(str(key))}


def split_any_tags(text: str) -> list[str]:
    """Tags as the houses write them: with commas, each in quotes or not, or as a JSON list."""
    text = text.strip()
    if text.startswith("["):
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if isinstance(value, list):
            return [_text(item) for item in value]
    return [part.strip(' "“”') for part in re.split(r"[,;|]", text)]


def _name(key: str) -> str:
    name = re.sub(r"\W+", "_", key.strip().casefold()).strip("_")
    return f"column_{name}" if name[:1].isdigit() else name


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(item, (str, int, float)) for item in value):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
