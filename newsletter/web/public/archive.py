"""The archive: past issues as pages, an index, Atom (RFC 4287) and JSON Feed 1.1, a sitemap; served or on disk.

A page is the frozen mail without a reader, with a way back above it. Where the post itself stands on the web, that is
its canonical address. Links are relative, so that the pages work under any host and path.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

import feedgenerator

from newsletter.audience.address import split_mailbox
from newsletter.compose.long_date import long_date
from newsletter.compose.neutral import neutral_html
from newsletter.web.pages import fragment
from newsletter.web.public.context import Public
from newsletter.web.public.issues import PastIssue, feed_text, past_issues

MAIL_POLICY = (
    "default-src 'none'; img-src 'self' https: http: data:; style-src 'unsafe-inline'; font-src https: data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""For an issue as a page: its own styles and pictures, no script, no form."""

_FEED_LENGTH = 20
_NOBODY = "urn:x-nobody"
_OWN_LINKS = re.compile(rf"<p\b[^>]*>(?:(?!</?p\b).)*?{_NOBODY}(?:(?!</?p\b).)*?</p>", re.DOTALL | re.IGNORECASE)
"""A paragraph with a reader's own links, as the footer has: in the archive they are nobody's."""


@dataclass(frozen=True, eq=False)
class Archive:
    """The archive of one newsletter at one moment; `home` is where its pages lead back to."""

    public: Public
    base: str  # its public address
    issues: list[PastIssue]
    home: str  # of the newsletter, relative to the base or absolute

    @classmethod
    def of(cls, public: Public) -> "Archive":
        """The archive as it is now."""
        return cls(public, public.base, past_issues(public.engine, public.config.root), "")

    def find(self, id_: str) -> PastIssue | None:
        """The issue of this id, if the archive has it."""
        return next((past for past in self.issues if past.id == id_), None)

    def index(self, base: str) -> str:
        """The page of all issues; `base` is the way to the root of the pages."""
        rows = self.rows(base)
        return fragment("public/archive.html", {**self.public.known, "base": base, "robots": "all", "issues": rows})

    def rows(self, base: str, most: int | None = None) -> list[dict[str, str]]:
        """What a list of the issues says of each, or of the newest."""
        return [
            {
                "path": f"{base}/issues/{past.id}/",
                "title": past.title,
                "summary": past.summary if past.summary != past.title else "",
                "date": past.date.date().isoformat(),
                "day": long_date(past.date, self.public.language),
            }
            for past in self.issues[:most]
        ]

    def page(self, past: PastIssue, base: str) -> str:
        """One issue as a page."""
        start = f"{base}/{self.home}" if not self.home.startswith("http") else self.home
        theirs = dict.fromkeys(("unsubscribe_url", "preferences_url"), _NOBODY)
        html = neutral_html(past.issue, {**theirs, "view_url": self.address(past)})
        html = _OWN_LINKS.sub("", html).replace(_NOBODY, escape(start))
        title = escape(self.public.title)
        head = (
            f'<link rel="canonical" href="{escape(past.canonical or self.address(past))}">\n'
            f'<link rel="alternate" type="application/atom+xml" title="{title}" href="{escape(base)}/feed.xml">\n'
            f'<link rel="alternate" type="application/feed+json" title="{title}" href="{escape(base)}/feed.json">\n'
        )
        bar = fragment(
            "public/bar.html",
            {"say": self.public.words, "base": base, "title": self.public.title, "home": start},
        )
        html = re.sub(r"(?i)</head>", lambda match: head + match[0], html, count=1)
        html = re.sub(r"(?i)<body\b[^>]*>", lambda match: f"{match[0]}{bar}<main>", html, count=1)
        return re.sub(r"(?i)</body>", "</main></body>", html, count=1)

    def address(self, past: PastIssue) -> str:
        """An issue's address in the archive: a URI, in ASCII, as feeds and sitemaps want it (RFC 3986)."""
        return f"{self.base}/issues/{quote(past.id, safe='')}/"

    def atom(self) -> str:
        """The newest issues as an Atom feed."""
        feed = feedgenerator.Atom1Feed(
            title=feed_text(self.public.title),
            link=f"{self.base}/issues/",
            description="",
            language=self.public.language,
            feed_url=f"{self.base}/feed.xml",
            feed_guid=f"{self.base}/issues/",
            author_name=self._author,
        )
        for past in self.issues[:_FEED_LENGTH]:
            link = past.canonical or self.address(past)
            feed.add_item(
                title=past.title, link=link, description=escape(past.summary), pubdate=past.date, updateddate=past.date,
                unique_id=self.address(past), content=self._content(past),
            )  # fmt: skip
        return str(feed.writeString("utf-8"))

    def json_feed(self) -> str:
        """The newest issues as a JSON Feed."""
        items = [
            {
                "id": self.address(past),
                "url": past.canonical or self.address(past),
                "title": past.title,
                "summary": past.summary,
                "content_html": self._content(past),
                "date_published": past.date.isoformat(),
            }
            for past in self.issues[:_FEED_LENGTH]
        ]
        feed = {
            "version": "https://jsonfeed.org/version/1.1",
            "title": feed_text(self.public.title),
            "home_page_url": f"{self.base}/issues/",
            "feed_url": f"{self.base}/feed.json",
            "language": self.public.language,
            "authors": [{"name": self._author}],
            "items": items,
        }
        return json.dumps(feed, ensure_ascii=False, indent=1)

    def sitemap(self) -> str:
        """The pages that are to be found, for search engines (sitemaps.org)."""
        pages = [(f"{self.base}/issues/", self.issues[0].date if self.issues else None)]
        pages += [(self.address(past), past.date) for past in self.issues if not past.canonical]
        rows = "".join(
            f"<url><loc>{escape(url)}</loc>{f'<lastmod>{date:%Y-%m-%d}</lastmod>' if date else ''}</url>\n"
            for url, date in pages
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{rows}</urlset>\n'
        )

    def files(self, sheet: str) -> Iterator[tuple[str, str]]:
        """Every file of the archive on disk: its path and text."""
        yield "style.css", sheet
        yield "issues/index.html", self.index("..")
        for past in self.issues:
            yield f"issues/{past.id}/index.html", self.page(past, "../..")
        yield "feed.xml", self.atom()
        yield "feed.json", self.json_feed()
        yield "sitemap.xml", self.sitemap()

    @property
    def _author(self) -> str:
        """Who writes it; a feed must name somebody (RFC 4287 section 4.1.1)."""
        return split_mailbox(self.public.config.newsletter.author)[0] or feed_text(self.public.title)

    def _content(self, past: PastIssue) -> str:
        """What a feed reader shows: the summary, and the way to the issue."""
        link = past.canonical or self.address(past)
        summary = f"<p>{escape(past.summary)}</p>" if past.summary else ""
        return f'{summary}<p><a href="{escape(link)}">{escape(past.title)}</a></p>'
