"""Render for the preview, by the path that `send` takes: read, compose, write the envelope, and parse its bytes back.

A `Renderer` keeps what has not changed since (config, site, list, issue), so that a save costs one composition. It is
asked from worker threads and composes once even when several requests want the same message.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from newsletter.audience.source import MailingList, find_list, first_subscriber, list_file, list_name, subscribers_of
from newsletter.audience.subscriber import Subscriber
from newsletter.compose.composer import Composed, Composer
from newsletter.compose.issue import Issue
from newsletter.compose.message.envelope import Envelope
from newsletter.config.settings import Config, load_config
from newsletter.errors import NewsletterError
from newsletter.mime.message import Message, read_message
from newsletter.site.discover import find_posts
from newsletter.site.jekyll import MARKDOWN
from newsletter.site.listing import PostList, PostSummary
from newsletter.site.page import Page
from newsletter.site.post import Post
from newsletter.site.site import Site
from newsletter.web.studio import personas

_TEMPLATES = "email_templates"
KEPT = 32
"""Messages kept between saves."""


@dataclass(frozen=True, eq=False)
class RenderedMessage:
    """A message as one subscriber gets it: the bytes, and what they say when they are parsed again."""

    composed: Composed
    subscriber: Subscriber
    chosen: bool  # whether somebody was chosen to look through the eyes of
    rows: MailingList | None  # the list, where there is one
    envelope: Envelope
    message: Message  # parsed from the envelope's bytes
    seconds: float  # that it took to compose and write; 0.0 if it was at hand

    @property
    def config(self) -> Config:
        """newsletter.toml as it was."""
        return self.composed.config

    @property
    def page(self) -> Page:
        """The post, resolved against its site."""
        return self.composed.page

    @property
    def post(self) -> Post:
        """The post as it was read."""
        return self.composed.page.post

    @property
    def issue(self) -> Issue:
        """What the post became."""
        return self.composed.issue

    @property
    def html(self) -> str:
        """The HTML part with its CRLF line ends, as clients measure it."""
        return self.message.rich.content().decode("utf-8", "replace") if self.message.rich is not None else ""

    @property
    def eml(self) -> bytes:
        """The message on the wire."""
        return self.envelope.message


class Renderer:
    """Renders the posts of one newsletter. Everything may raise NewsletterError; `forget` what was saved."""

    def __init__(self, config: Config) -> None:
        self._lock = threading.RLock()
        self._path = config.path.absolute()
        self._composer: Composer | None = Composer(config)
        self._list: MailingList | None = None
        self._issues: dict[Path, Composed] = {}
        self._messages: dict[tuple[Path, str], RenderedMessage] = {}
        self._shelf = PostList()
        self._posts: list[PostSummary] = []
        self._posts_are_old = True

    @property
    def config(self) -> Config:
        """newsletter.toml as it is now."""
        return self.composer.config

    @property
    def site(self) -> Site:
        """The site as it is now."""
        with self._lock:
            return self.composer.site

    @property
    def composer(self) -> Composer:
        """What composes, by configuration and site as they are now."""
        with self._lock:
            if self._composer is None:
                self._composer = Composer(load_config(self._path))
            return self._composer

    def posts(self) -> list[PostSummary]:
        """The posts, newest first."""
        with self._lock:
            if self._posts_are_old:
                self._posts = self._shelf.arrange(find_posts(self.config, self.site), self.site.timezone)
                self._posts_are_old = False
            return self._posts

    def find(self, key: str) -> PostSummary:
        """The post of that key. The folders are not searched again for one that is known and still there."""
        found = next((post for post in self._posts if post.key == key), None)
        if found is None or not found.path.is_file():
            found = next((post for post in self.posts() if post.key == key), None)
        if found is None:
            raise NewsletterError(f"there is no post {key!r} here; choose one from the list")
        return found

    def key_of(self, path: Path) -> str:
        """The key of the post at `path`; a post outside of the site's folders is put on the list."""
        wanted = path.resolve()
        for post in self.posts():
            if post.path.resolve() == wanted:
                return post.key
        with self._lock:
            self._shelf.add(wanted)
            self._posts_are_old = True
        return self.key_of(wanted) if wanted.is_file() else self._missing(path)

    def subscribers(self) -> Iterator[Subscriber]:
        """The list's subscribers, streamed; none where there is no list file."""
        return subscribers_of(self._open_list())

    def render(self, key: str, person: str = "") -> RenderedMessage:
        """The post `key` as `person` gets it: an address, an awkward one's key, or empty for the list's first."""
        path = self.find(key).path
        with self._lock:
            if (known := self._messages.get((path, person))) is not None:
                return known
            began = time.perf_counter()
            if path not in self._issues:
                self._issues[path] = self.composer.compose(self.composer.read(path))
            composed, rows = self._issues[path], self._open_list()
            subscriber = self._person(person)
            envelope = composed.writer(rows.columns if rows is not None else None).envelope(subscriber)
            rendered = RenderedMessage(
                composed=composed,
                subscriber=subscriber,
                chosen=bool(person),
                rows=rows,
                envelope=envelope,
                message=read_message(envelope.message),
                seconds=time.perf_counter() - began,
            )
            if len(self._messages) >= KEPT:
                self._messages.clear()
            self._messages[path, person] = rendered
            return rendered

    def forget(self, changed: Iterable[Path]) -> None:
        """Look again at what may depend on the files in `changed`."""
        with self._lock:
            files = {path.resolve() for path in changed}
            self._messages.clear()
            self._posts_are_old = True
            source = list_file(self.config)
            if source is None or source.resolve() in files or self._path.resolve() in files:
                self._list = None
            files -= {source.resolve()} if source is not None else set()
            if files:
                self._issues.clear()
            if self._path.resolve() in files:
                self._composer = None
            elif not all(path.suffix.lower() in MARKDOWN or _TEMPLATES in path.parts for path in files):
                self._composer = Composer(self.config)

    def _open_list(self) -> MailingList | None:
        with self._lock:
            if self._list is None:
                self._list = find_list(self.config)
            return self._list

    def _person(self, person: str) -> Subscriber:
        rows = self._open_list()
        found = personas.find_person(rows, person) if person else first_subscriber(rows)
        if found is None:
            raise NewsletterError(f"{person} is not on the list; choose somebody else", path=list_name(self.config))
        return found

    def _missing(self, path: Path) -> str:
        raise NewsletterError("there is no such post; choose one from the list", path=path)
