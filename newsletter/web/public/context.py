"""What the public pages share: the newsletter's state, list, secret, words and look, and how a page is answered."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from newsletter.audience.erasure import was_erased
from newsletter.audience.roster import Roster, open_roster
from newsletter.audience.token import TEST_EMAIL, TEST_ISSUE, load_secret, make_token, read_token
from newsletter.compose.composer import Composer
from newsletter.config.settings import Config
from newsletter.errors import NewsletterError
from newsletter.state import open_state
from newsletter.web.pages import fragment
from newsletter.web.public.words import Words, words_in
from newsletter.web.security import PAGE_POLICY


@dataclass(frozen=True, eq=False)
class Public:
    """One newsletter's public pages."""

    config: Config
    engine: Engine
    roster: Roster
    secret: bytes
    owed: Callable[[], None] = lambda: None  # a mail is owed: whoever sends them should look
    clock: Callable[[], float] = field(default=time.time)

    @classmethod
    def open(cls, config: Config, owed: Callable[[], None] = lambda: None) -> "Public":
        """Open the newsletter's state and list. Raises NewsletterError where there is no public address."""
        if not config.unsubscribe.url:
            what = "no public address; set [unsubscribe] url to where these pages are reached, such as https://news.example.org"
            raise NewsletterError(what, **config.where("unsubscribe", "url"))
        return cls.read(config, owed)

    @classmethod
    def read(cls, config: Config, owed: Callable[[], None] = lambda: None) -> "Public":
        """Open state and list, where no page of a reader's own is needed: for the archive on disk."""
        return cls(config, open_state(config), open_roster(config), load_secret(config), owed)

    @cached_property
    def base(self) -> str:
        """The pages' public address, without a slash at its end."""
        return self.config.unsubscribe.url.rstrip("/")

    @cached_property
    def prefix(self) -> str:
        """The path of the public address, before every page's own."""
        return urlsplit(self.base).path

    @cached_property
    def composer(self) -> Composer:
        """Composes the mails that are owed, and knows the site."""
        return Composer(self.config)

    @cached_property
    def title(self) -> str:
        """The newsletter's name, as its mails say it."""
        own = self.config.newsletter
        return self.composer.site.title or own.title or own.author.partition("<")[0].strip() or "Newsletter"

    @cached_property
    def words(self) -> Words:
        """The words in the newsletter's language."""
        return words_in(self.language)

    @cached_property
    def language(self) -> str:
        """The newsletter's language, as its mails have it."""
        return self.composer.site.language or self.config.newsletter.language

    @cached_property
    def logo(self) -> str:
        """The logo's address; empty where there is none that a browser can fetch."""
        logo = self.config.newsletter.logo
        if not logo or logo.startswith(("https://", "http://", "data:")):
            return logo
        site = self.composer.site.url
        return f"{site.rstrip('/')}/{logo.lstrip('/')}" if site else ""

    @cached_property
    def policy(self) -> str:
        """The pages' content security policy: the logo may come from the site."""
        parts = urlsplit(self.logo)
        origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
        return PAGE_POLICY.replace("img-src 'self' data:", f"img-src 'self' data: {origin}".rstrip()).replace(
            "frame-ancestors 'self'", "frame-ancestors 'none'"
        )

    def link(self, kind: str, email: str, issue: str = "") -> str:
        """The address of a person's page: `unsubscribe`, `preferences` or `confirm`."""
        return f"{self.base}/{_PATHS[kind]}/{make_token(self.secret, kind, email, issue)}"

    def reader(self, request: Request, kind: str) -> tuple[str, str] | None:
        """Whom the token in the address stands for, and the issue that it came with; None for one that is not ours."""
        return read_token(self.secret, kind, request.path_params["token"])

    def keeps_nothing(self, reader: tuple[str, str]) -> bool:
        """Is this the token that only tries the pages, or somebody erased: of whom nothing is written down?"""
        return is_test(reader) or was_erased(self.engine, self.secret, reader[0])

    def page(self, template: str, status: int = 200, **context: Any) -> Response:
        """A page in the newsletter's language and look; not to be indexed, not to be kept."""
        text = fragment(f"public/{template}.html", {**self.known, "robots": "noindex", **context})
        headers = {"Content-Security-Policy": self.policy, "X-Robots-Tag": context.get("robots", "noindex")}
        return HTMLResponse(text, status, headers)

    def not_found(self) -> Response:
        """What a foreign, cut or mistyped address gets."""
        return self.message("error.not_found", status=404)

    def message(self, key: str, status: int = 200, **values: str) -> Response:
        """A page that says one thing: the texts `key`_title and `key`."""
        title, text = self.words(f"{key}_title", title=self.title), self.words(key, title=self.title, **values)
        return self.page("message", status, heading=title, text=text)

    def see(self, path: str) -> Response:
        """Send the browser on to a page of ours by GET."""
        return RedirectResponse(self.prefix + path, 303)

    @cached_property
    def known(self) -> Mapping[str, Any]:
        """What every page's template is given."""
        right_to_left = self.language.lower().partition("-")[0] in ("ar", "fa", "he", "ur")
        return {
            "say": self.words,
            "title": self.title,
            "base": self.prefix,
            "public": self.base,
            "language": self.words.language,
            "dir": "rtl" if right_to_left and self.words.language != "en" else "ltr",
            "logo": self.logo,
            "site": self.composer.site.url,
            "postal_address": self.config.newsletter.postal_address,
        }


_PATHS = {"unsubscribe": "u", "preferences": "p", "confirm": "c", "view": "v"}


def is_test(reader: tuple[str, str]) -> bool:
    """Is this the token that only tries whether the pages answer?"""
    return reader == (TEST_EMAIL, TEST_ISSUE)
