"""Does a column of a list say that somebody left? As the houses write it from which lists are exported.

Pure. Such columns hold a status in words (`status` of listmonk, Kit, MailerLite and beehiiv, `type` of Buttondown), a
yes or no in either sense (Ghost's `subscribed_to_emails`, Substack's `email_disabled`, phpList's `blacklisted`), or the
moment when or the reason why (Mailchimp's `UNSUB_TIME` and `UNSUB_REASON`, `unsubscribed_at`). What a column says of a
paid plan (`active_subscription`, `complimentary_plan`) is not about mail. A value that nobody here knows keeps nobody
off the list; it is counted and shown.
"""

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


@functools.cache
def _loose(pattern: str) -> re.Pattern[str]:
    """The pattern of a name in which words may be run together, as `unsubscribedAt` is; made when first asked for."""
    return re.compile(pattern.replace("_?", "_").replace("_", "_?"))


_WHOSE = (
    r"(?:(?:is|has|was|e_mails?|mail|mailing|subscriber|subscription|contact|member|user|list|global|marketing|"
    r"newsletter|delivery|current)_)*"
)
_OUT = (
    rf"(?:{_WHOSE}(?:unsubscribed?|unsub|unsubscription|opt_?out|opted_?out|bounced?|hard_?bounced?|complain(?:ed|t)|"
    r"(?:block|black)list(?:ed)?|blocked|banned|suppressed|suppression|cleaned|deleted|removed|archived|disabled|"
    r"do_not_(?:(?:e_?)?mail|contact|send)|no_?mail|left|gone|quit|inactive|deactivated|spam|marked_as_spam|undeliverable|"
    r"consent_(?:withdrawn|revoked)|excluded?|no_?e?mails?|do_not_newsletter|"
    r"abgemeldet|abmeldung|abbestellt|ausgetragen|ausgetreten|austritt|gekündigt|kündigung|gesperrt|désabonnée?|"
    r"désinscrite?|désabonnement|désinscription|baja|disiscritto|afgemeld|uitgeschreven)"
    r"(?:_(?:emails?|of_emails?|from_(?:all_)?(?:emails?|mails?|newsletters?|lists?)))*)"
)
_FILLED_NAME = (
    rf"(?:date_(?:of_)?{_OUT}|"
    rf"(?:{_OUT}|clean)_(?:at|on|am|le|date|time|timestamp|datum|reason|reason_other|campaign_title))"
)
_YES_NAME = rf"{_OUT}|has_opted_out_of_email|dnc|is_excluded_from_campaigns"
_NO_NAME = (
    rf"{_WHOSE}(?:subscribed|subscribe|opt_?in|opted_?in|active|enabled|confirmed|consented|consent|mailable|"
    r"accepts?_(?:email_)?marketing|(?:receives?|wants?|gets?|accepts?|send|allows?)_(?:e_?mails?|mails?|newsletters?)|"
    r"newsletter|can_(?:(?:be_)?(?:(?:e_?)?mailed|contacted)|(?:e_?)?mail|contact)|(?:ok|okay)_to_(?:(?:e_?)?mail|contact|send)|"
    r"(?:e?mails?|mailing|newsletter|marketing)_(?:ok|allowed|permitted|accepted)|permission|gdpr_consent|mailing_?list|"
    r"emailable|contactable|angemeldet|abonniert|aktiv|abonnée?|inscrite?|actifs?|activo|attivo|iscritto|suscrito|inscrito)"
    r"(?:_(?:emails?|marketing|to_(?:e?mails?|email_marketing|marketing|(?:the_|our_)?(?:list|newsletters?))))*"
)
_STATUS_NAME = (
    rf"{_WHOSE}(?:opt_?(?:in|out)_|consent_|group_)?(?:status|preferences?|permissions?)(?:_status)?"
    r"|statut|estado|stato"
)
_STATE_NAME = rf"{_WHOSE}state|(?:(?:subscriber|subscription|contact|member|user)_)?type"

_NO = {
    "kein", "keine",
    "false", "f", "no", "n", "off", "0", "0.0", "falsch", "nein", "nee", "non", "faux", "não", "nao", "нет",
    "unchecked", "✗", "✘", "☐",
}  # fmt: skip
_YES = {
    "true", "t", "yes", "y", "on", "1", "1.0", "x", "wahr", "ja", "j", "oui", "vrai", "si", "sí", "sim", "verdadero",
    "да", "checked", "✓", "✔", "☑",
}  # fmt: skip
_NOTHING = _NO | {"", "null", "none", "nil", "n/a", "na", "never", "nan", "undefined", "\\n", "-", "–", "—"}
_ZERO_DATE = re.compile(r"(?:0000-00-00|0001-01-01|1970-01-01)(?!\d).*", re.DOTALL)
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d).*|\d{1,2}[-/.] ?(?:\d{1,2}|[^\W\d]{3,9})[-/., ]+\d{2,4}(?!\d).*"
    r"|(?:\d{1,2} )?[^\W\d]{3,9}\.? (?:\d{1,2},? )?\d{4}(?!\d).*|\d{8}(?:T?\d{6}Z?)?|\d{10}(?:\d{3})?",
    re.DOTALL,
)
_LEFT = {
    "unsubscribed", "unsubscribe", "unsub", "unsubscriber", "opted out", "opt out", "optout", "optedout",
    "global unsubscribe", "manually unsubscribed", "blocklisted", "blacklisted", "blocklist", "blacklist",
    "blocked", "banned", "bounced", "bounce", "bouncing", "hard bounce", "hard bounced", "hardbounce",
    "hardbounced", "undeliverable", "undelivered", "invalid", "disabled", "email disabled", "deactivated",
    "inactive", "held", "on hold", "paused", "complained", "complaint", "complainer", "spam", "spammy", "junk",
    "abuse", "abuse complaint", "marked as spam", "reported spam", "reported as spam", "spam complaint",
    "spam report", "spam reported", "cleaned", "archived", "deleted", "removed", "suppressed", "cancelled",
    "canceled", "left", "no email", "no emails", "no mail", "nomail", "do not email", "do not mail",
    "do not contact", "do not send", "dnc", "non subscribed", "nonsubscribed", "not subscribed", "never subscribed",
    "no longer subscribed", "not opted in", "non marketing contact", "unconfirmed", "not confirmed", "unactivated",
    "not activated", "pending", "pending confirmation", "awaiting confirmation", "waiting for confirmation",
    "abgemeldet", "ausgetragen", "gesperrt", "inaktiv", "gelöscht", "deaktiviert", "unbestätigt", "désabonné",
    "désabonnée", "désinscrit", "désinscrite", "bloqué", "bloquée", "inactif", "supprimé", "baja", "dado de baja",
    "cancelado", "bloqueado", "inactivo", "disiscritto", "cancellato", "afgemeld", "de baja", "uitgeschreven",
    "gekündigt", "abbestellt", "ausgetreten", "suspended", "withdrawn", "revoked", "declined", "denied", "former",
    "ex subscriber",
    "subscription cancelled", "subscription canceled", "opted out of email", "désabonnés", "désinscrits", "désabonné e",
    "désinscrit e",
}  # fmt: skip
_LEFT_BEGINS = (
    "unsubscribed ",
    "opted out ",
    "bounced ",
    "blocklisted ",
    "blacklisted ",
    "complained ",
    "cleaned ",
    "hard bounce",
)
_PLAIN = ("email", "name")  # as the columns that every list has are called
_LONGEST = 80
"""Characters of a name or a value that are looked at."""
_MOST = 1000
"""So many values of a column are told apart; the rest is counted together."""

_SHOWN = 6

SaysLeft = Callable[[str], bool]


@functools.lru_cache(maxsize=256)
def opt_out_column(name: str) -> SaysLeft | None:
    """For a column that may say that somebody left, by its name as templates write it: which of its values do."""
    if len(name) > _LONGEST or name in _PLAIN:
        return None
    for pattern, says in _COLUMNS:
        if _loose(pattern).fullmatch(name):
            known = functools.lru_cache(maxsize=_MOST)(says)  # a status is one of a few words
            return lambda value: known(value[:_LONGEST])
    return None


def how_left(columns: Mapping[str, str]) -> str:
    """Which of a person's columns says that they left, and how: `left: status is 'bounced'`; empty where none does."""
    for name, value in columns.items():
        if (says := opt_out_column(name)) is not None and says(value):
            return f"left: {name} is {value[:40]!r}"
    return ""


def _is_left(value: str) -> bool:
    words = re.sub(r"[\W_]+", " ", value.casefold()).strip()
    return words in _LEFT or words.startswith(_LEFT_BEGINS)


def _is_filled(value: str) -> bool:
    """A moment or a reason, and not one of the ways to write that there is none."""
    return _dated(value).casefold() not in _NOTHING


def _dated(value: str) -> str:
    """`value`, or nothing where it is the zero of a database's clock."""
    return "" if _ZERO_DATE.fullmatch(value) else value


_COLUMNS: tuple[tuple[str, SaysLeft], ...] = (
    (_FILLED_NAME, _is_filled),
    (_YES_NAME, lambda value: value.casefold() in _YES or _is_left(value) or bool(_DATE.fullmatch(_dated(value)))),
    (_NO_NAME, lambda value: value.casefold() in _NO or _is_left(value)),
    (_STATUS_NAME, lambda value: value.casefold() in ("no", "false") or _is_left(value)),
    (_STATE_NAME, _is_left),
)
"""The kinds of columns by their names, and which of their values say that somebody left; the first that fits."""


@dataclass(frozen=True, slots=True)
class StatusColumn:
    """What stands in a column that may say that somebody left: each value, its count, whether it says so."""

    name: str
    values: tuple[tuple[str, int, bool], ...]  # the most frequent first; dates are counted together

    def __str__(self) -> str:
        """`status: active 40, unsubscribed 3 (left)`: the most frequent values of either kind, and how many others."""
        shown = []
        for says, mark in ((False, ""), (True, " (left)")):
            values = [(value or "empty", count) for value, count, left in self.values if left is says]
            rest = sum(count for _, count in values[_SHOWN:])
            shown += [f"{value} {count:,}{mark}" for value, count in values[:_SHOWN]]
            shown += [f"others {rest:,}{mark}"] * bool(rest)
        return f"{self.name}: {', '.join(shown)}"


class StatusTally:
    """Counts what stands in such columns, in bounded memory."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._says = {name: says for name in columns if (says := opt_out_column(name)) is not None}
        self._counts: dict[str, Counter[tuple[str, bool]]] = {name: Counter() for name in self._says}
        self._shown: dict[str, dict[str, tuple[str, bool]]] = {name: {} for name in self._says}

    def add(self, cells: Mapping[str, Iterable[str]]) -> None:
        """Count the values of some rows, by column."""
        for name, counts in self._counts.items():
            for value, count in Counter(cells[name]).items():
                counts[self._shown[name].get(value) or self._show(name, value)] += count

    def _show(self, name: str, value: str) -> tuple[str, bool]:
        """As what a value is counted, and whether it says that somebody left."""
        told, value = self._shown[name], value[:_LONGEST]
        left = self._says[name](value)
        if _DATE.fullmatch(value):
            return "a date", left
        if len(told) >= _MOST:
            return "others", left
        told[value] = (value[:40], left)
        return told[value]

    def columns(self) -> tuple[StatusColumn, ...]:
        """The columns in the order of the list; one that is empty throughout says nothing."""
        return tuple(
            StatusColumn(name, tuple((value, count, left) for (value, left), count in counts.most_common()))
            for name, counts in self._counts.items()
            if any(value for value, _ in counts)
        )
