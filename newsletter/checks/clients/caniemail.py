"""What mail clients support, as caniemail.com has tested it; the data ships with us, see data/caniemail.txt.

A client here is what a reader would call one, and may be several programs: Gmail is its web page, its two apps and its
mobile page. A client's latest version is the last key as written: the keys are dates for some and numbers for others,
and are in order already.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

Level = Literal["yes", "partly", "no", "unknown"]
_WEB, _PHONES = "desktop-webmail", ("ios", "android")
_PLATFORMS = {
    "desktop-webmail": "web", "mobile-webmail": "mobile web", "ios": "iOS", "android": "Android", "macos": "Mac",
    "windows": "Windows", "outlook-com": "web",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MailClient:
    """A client by our name, and by the data's: a family and its platforms."""

    label: str
    family: str
    platforms: tuple[str, ...]


CLIENTS: Mapping[str, MailClient] = {
    "gmail": MailClient("Gmail", "gmail", (_WEB, *_PHONES, "mobile-webmail")),
    "apple-mail": MailClient("Apple Mail", "apple-mail", ("macos", "ios")),
    "outlook-windows": MailClient("Outlook on Windows", "outlook", ("windows",)),
    "outlook-web": MailClient("Outlook on the web", "outlook", ("outlook-com",)),
    "outlook-mobile": MailClient("Outlook on phones", "outlook", _PHONES),
    "yahoo": MailClient("Yahoo", "yahoo", (_WEB, *_PHONES)),
    "aol": MailClient("AOL", "aol", (_WEB, *_PHONES)),
    "thunderbird": MailClient("Thunderbird", "thunderbird", ("macos", "windows")),
    "samsung-email": MailClient("Samsung Email", "samsung-email", ("android",)),
    "protonmail": MailClient("Proton Mail", "protonmail", (_WEB, *_PHONES)),
    "fastmail": MailClient("Fastmail", "fastmail", (_WEB,)),
    "hey": MailClient("HEY", "hey", (_WEB,)),
    "gmx": MailClient("GMX", "gmx", (_WEB, *_PHONES)),
    "web-de": MailClient("WEB.DE", "web-de", (_WEB, *_PHONES)),
    "orange": MailClient("Orange", "orange", (_WEB, *_PHONES)),
    "sfr": MailClient("SFR", "sfr", (_WEB, *_PHONES)),
    "laposte": MailClient("LaPoste.net", "laposte", (_WEB, *_PHONES)),
    "mail-ru": MailClient("Mail.ru", "mail-ru", (_WEB,)),
}


@dataclass(frozen=True, slots=True)
class Support:
    """How one client supports one feature; `where` is the platforms that do not, or do in part, in words."""

    level: Level
    where: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of the data; `stats` by family and platform is the latest version's letter and its notes' numbers."""

    slug: str
    title: str
    url: str
    stats: Mapping[tuple[str, str], str]
    notes: Mapping[str, str]


@lru_cache(maxsize=1)
def features() -> Mapping[str, Feature]:
    """Every feature by its slug, read once."""
    path = files("newsletter.checks.clients") / "data" / "caniemail.json"
    data = json.loads(path.read_bytes(), object_hook=_feature)  # each as it is read: the whole takes twice the memory
    return {feature.slug: feature for feature in data["data"]}


def _feature(entry: dict[str, Any]) -> "Feature | dict[str, Any]":
    """An entry of the data as a feature; what is no entry as it is."""
    if "slug" not in entry:
        return entry
    stats = {
        (family, platform): list(versions.values())[-1]
        for family, platforms in entry["stats"].items()
        for platform, versions in platforms.items()
        if versions
    }
    return Feature(entry["slug"], entry["title"].strip(), entry["url"], stats, entry["notes_by_num"] or {})


@lru_cache(maxsize=4096)
def support(slug: str, client: str) -> Support:
    """How a client supports a feature: not, where most of its platforms do not; in part, where some do not."""
    feature, who = features()[slug], CLIENTS[client]
    letters = {name: feature.stats.get((who.family, name), "u") for name in who.platforms}
    known = {name: said for name, said in letters.items() if not said.startswith("u")}
    without = [name for name, said in known.items() if said.startswith("n")]
    partly = [name for name, said in known.items() if said.startswith("a")]
    numbers = {number for name in (*without, *partly) for number in re.findall(r"#(\d+)", known[name])}
    notes = tuple(feature.notes[number] for number in sorted(numbers, key=int) if number in feature.notes)
    if not known:
        return Support("unknown", "", ())
    if len(without) * 2 > len(known):
        return Support("no", _where(without, known), notes)
    if without or partly:
        return Support("partly", _where([*without, *partly], known), notes)
    return Support("yes", "", notes)


def _where(names: list[str], known: Mapping[str, str]) -> str:
    return "" if len(names) == len(known) else ", ".join(_PLATFORMS[name] for name in names)
