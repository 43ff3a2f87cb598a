"""Write the mails that are owed to one person: through the newsletter's own templates, as a letter.

They say what the words say, and hold nothing that a visitor typed: a name in a confirmation is where spammers put their
text. They carry no way to unsubscribe, for nobody is subscribed by them; each has a Message-ID of its own.
"""

from dataclasses import replace
from functools import cached_property

from newsletter.audience.notices import Notice, NoticeKind
from newsletter.audience.subscriber import Subscriber
from newsletter.compose.composer import issue_writer
from newsletter.compose.issue import Issue
from newsletter.compose.message.envelope import Envelope
from newsletter.config.settings import Unsubscribe
from newsletter.site.page import resolve
from newsletter.site.post import Post
from newsletter.web.public.context import Public

_LINKS = {"confirm": "confirm", "welcome": "preferences", "goodbye": "unsubscribe"}
_LINK = "link"


class Mails:
    """Writes notices; each kind is composed once."""

    def __init__(self, public: Public) -> None:
        self._public = public
        self._issues: dict[NoticeKind, Issue] = {}

    def envelope(self, notice: Notice) -> Envelope:
        """The mail that is owed. Raises NewsletterError for what the author can mend: author, template."""
        if notice.kind not in self._issues:
            self._issues[notice.kind] = self._compose(notice.kind)
        issue = replace(self._issues[notice.kind], id=f"{notice.kind}-{notice.id}")
        link = self._public.link(_LINKS[notice.kind], notice.email, notice.detail.get("issue", ""))
        return issue_writer(self._public.config, issue).envelope(Subscriber(notice.email, "", {_LINK: link}))

    def _compose(self, kind: NoticeKind) -> Issue:
        from newsletter.compose.pipeline import compose  # slow to import, and not needed before a mail is owed

        public, words = self._public, self._public.words
        subject = words(f"mail_{kind}.subject", title=public.title)
        body = words(f"mail_{kind}.body", title=_plain(public.title), url=f"{{{{ subscriber.{_LINK} }}}}")
        own = public.config.newsletter
        config = public.config.model_copy(
            update={
                "unsubscribe": Unsubscribe(),
                "smtp": public.config.smtp.model_copy(update={"verp": False}),
                "newsletter": own.model_copy(
                    update={"reason": words(f"mail_{kind}.reason", title=public.title), "language": public.language}
                ),
            }
        )
        page = resolve(self._post(kind, subject, body), public.composer.site)
        return compose(replace(page, url="", path="", image=""), config, issue_id=kind)

    def _post(self, kind: NoticeKind, subject: str, body: str) -> Post:
        public = self._public
        return Post(
            path=public.config.root / public.config.posts.dir / f"{kind}.md",
            slug=kind,
            title=subject,
            subtitle="",
            date=None,
            author="",
            image="",
            layout=self._layout,
            categories=(),
            tags=(),
            draft=False,
            personalize=True,
            excerpt=False,
            front_matter={"preheader": subject},
            body=body.strip() + "\n",
            body_line=1,
        )

    @cached_property
    def _layout(self) -> str:
        """The letter, where the newsletter has not taken it away; else its own layout."""
        from newsletter.compose.templating.environment import Templates

        return "letter" if Templates(self._public.config.root).has("letter.html") else ""


def _plain(title: str) -> str:
    """A title inside Markdown and a template, as itself."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>#" else char for char in title.replace("{", "(").replace("}", ")"))
