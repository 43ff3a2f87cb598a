"""Is a post one that was sent already: renamed, changed since, or another one under a slug that is in use?

Two issues are compared by what their readers read. A renamed post has the same words under another id, or almost the
same and the file of the other is gone; its address, date and template may differ, and so may the newsletter's footer.
Pure, but for the look whether that file is still there.
"""

import difflib
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newsletter.compose.issue import Issue, Piece
from newsletter.errors import NewsletterError

_DIFF_LINES = 12
_FEW = 12
"""Words; so few are the same in two posts by chance, unless their titles are the same too."""
ALIKE = 0.7
"""The share of words, each with the next one, from which on an issue resembles another."""


@dataclass(frozen=True, slots=True)
class Resemblance:
    """A new issue has much of what another one said."""

    issue: str  # the other's id
    post: str  # and the file that it was made of
    share: float  # of their words, from 0 to 1

    def __str__(self) -> str:
        return f"{int(self.share * 100)} % of its words are those of issue {self.issue!r} ({self.post})"


_ADDRESS = re.compile(r"(?:https?://|mailto:)\S+|\[\d+\]")
_FOOTER = re.compile(r"^-- $.*", re.MULTILINE | re.DOTALL)


class AlreadySent(NewsletterError):  # noqa: N818 (named for what happened)
    """A post whose words went out before, under another name or in a digest."""


def source_text(pieces: Iterable[Piece]) -> str:
    """Pieces as a reader of lists may see them: slots stand for themselves."""
    return "".join(piece if isinstance(piece, str) else piece.source for piece in pieces)


def same_words(one: Issue, other: Issue) -> bool:
    """Do two issues say the same, whatever they are called and wherever they stand on the web?"""
    words = _words(one)
    return words == _words(other) and _may_be_one(one, other, words)


def refuse_cancelled(issue_id: str) -> NewsletterError:
    """Nobody gets what was called off, unless somebody says so anew."""
    how = f"`--again NAME --except {issue_id}` sends it to those who do not have it"
    return NewsletterError(f"issue {issue_id!r} was cancelled; {how}")


def find_resemblance(issue: Issue, sent: Iterable[Issue], root: Path | None = None) -> Resemblance | None:
    """The one of the issues `sent` that a new issue resembles most; None where none has much of its words.

    Raises AlreadySent where it says what one of them said, and where it says almost that and the other's file is no
    longer below `root`: a post that was renamed, and mended, would go to everybody again. So would a post that went out
    in a digest, which says only where it goes on.
    """
    words, found = _words(issue), None
    pairs = _pairs(words)
    for other in sent:
        if any(issue.post == post.get("path") for post in _digested(other)):
            what = f"went out in the digest {other.id!r}; `--again NAME` sends it alone, to everybody"
            raise AlreadySent(what, path=issue.post)
        theirs = _words(other)
        if not _may_be_one(issue, other, words):
            continue
        if theirs == words:
            raise _renamed(issue, f"has the words of issue {other.id!r}, which was {other.post}", other.id)
        if _digested(issue) or _digested(other):  # no file holds it, and each is like the last
            continue
        share = _share(pairs, _pairs(theirs))
        if share >= ALIKE and (found is None or share > found.share):
            found = Resemblance(other.id, other.post, share)
    if found is not None and root is not None and not (root / found.post).exists():
        raise _renamed(issue, f"seems to be renamed and changed: {found}, a file that is no longer there", found.issue)
    return found


def _renamed(issue: Issue, what: str, other: str) -> AlreadySent:
    return AlreadySent(
        f"{what}; nobody gets a post twice because it was renamed: `newsletter send {other} --as-begun` sends that "
        "issue to those who do not have it yet, and `--again NAME` sends this one as a new issue, to everybody",
        path=issue.post,
    )


def _digested(issue: Issue) -> Sequence[Mapping[str, Any]]:
    """The posts of an issue that is a digest; none of another."""
    posts: Sequence[Mapping[str, Any]] = issue.context.get("digest", {}).get("posts", ())
    return posts


def _may_be_one(one: Issue, other: Issue, words: list[str]) -> bool:
    return len(words) >= _FEW or _about(one, "title") == _about(other, "title")


def _pairs(words: list[str]) -> Counter[tuple[str, str]]:
    """Each word with the one after it, so that their order counts too."""
    return Counter(itertools.pairwise(["", *words, ""]))


def _share(one: Counter[tuple[str, str]], other: Counter[tuple[str, str]]) -> float:
    """How much of two texts is the same, from 0 to 1 (Dice's coefficient over pairs of words)."""
    return 2 * (one & other).total() / (one.total() + other.total())


def refuse_changed(issue: Issue, frozen: Issue, root: Path | None = None) -> NewsletterError:
    """What is said where an issue was begun with another content: of this post, or of another file with its slug."""
    if frozen.post != issue.post and not same_words(frozen, issue) and (root is None or (root / frozen.post).exists()):
        return slug_in_use(issue.post, frozen)
    before = [f"Subject: {source_text(frozen.subject)}", "", *source_text(frozen.text).splitlines()]
    after = [f"Subject: {source_text(issue.subject)}", "", *source_text(issue.text).splitlines()]
    diff = itertools.islice(difflib.unified_diff(before, after, lineterm="", n=0), 2, None)  # without its header
    lines = [line for line in diff if not line.startswith("@@")]
    shown = "\n".join(f"    {line[:120]}" for line in itertools.islice(lines, _DIFF_LINES))
    if len(lines) > _DIFF_LINES:
        shown += f"\n    … {len(lines) - _DIFF_LINES} more lines"
    what = f":\n{shown}\n" if lines else " (its template, the configuration or the site, not its words); "
    return NewsletterError(
        f"{issue.post} has changed since issue {issue.id!r} was begun{what}"
        f"undo the change; or send the old words to the rest with `--as-begun`; or send the new words as a second "
        f"issue with `--again NAME`: to everybody, or with `--except {issue.id}` only to those who do not have "
        f"{issue.id!r}"
    )


def slug_in_use(post: str, frozen: Issue) -> NewsletterError:
    """What is said of a second file with the slug of an issue that was begun."""
    slug = frozen.id
    return NewsletterError(
        f"has the same slug, {slug!r}, as {frozen.post}, which is issue {slug!r} already; "
        f"give it one of its own: `slug: {_second(slug)}` in its front matter, or `--again NAME`",
        path=post,
    )


def _words(issue: Issue) -> list[str]:
    """The words of an issue's body, in lower case: its text part without title, byline, addresses and footer."""
    text = " ".join(_ADDRESS.sub(" ", _FOOTER.sub("", source_text(issue.text))).split()).casefold()
    around = [_about(issue, key) for key in ("title", "subtitle", "date_text", "reading_minutes")]
    around += [str(issue.context.get("newsletter", {}).get("title", "")), str(_author(issue))]
    for told in sorted((" ".join(each.split()).casefold() for each in around if each), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(told)}(?!\w)", " ", text, count=1)
    return re.findall(r"\w+", text)


def _about(issue: Issue, key: str) -> str:
    return str(issue.context.get("post", {}).get(key) or "")


def _author(issue: Issue) -> str:
    author = issue.context.get("post", {}).get("author")
    return str(author.get("name", "")) if isinstance(author, dict) else ""


def _second(slug: str) -> str:
    """A name for a second issue: `hello-2`, after that `hello-3`."""
    stem, number = re.fullmatch(r"(.*?)(?:-(\d{1,3}))?", slug).groups()  # type: ignore[union-attr]
    return f"{stem}-{int(number) + 1 if number else 2}"
