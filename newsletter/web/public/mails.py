"""Write the mails that are owed to one person: through the newsletter's own templates, as a letter.

They say what the words say, and hold nothing that a visitor typed: a name in a confirmation is where spammers put their
text. They carry no way to unsubscribe, for nobody is subscribed by them; each has a Message-ID of its own.
"""

from dataclasses import replace
from functools import cached_property

from newsletter.audience.address import split_mailbox
from newsletter.audience.notices import Notice, NoticeKind, notice_issue
from newsletter.audience.subscriber import Subscriber
from newsletter.compose.composer import issue_writer
from newsletter.compose.issue import Issue
from newsletter.compose.message.envelope import Envelope
from newsletter.compose.message.ids import message_id, reference
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
        self._issues: dict[str, Issue] = {}

    def envelope(self, notice: Notice) -> Envelope:
        """The mail that is owed. Raises NewsletterError for what the author can mend: author, template."""
        words = f"mail_{notice.kind}.{self._variant(notice)}"
        if words not in self._issues:
            self._issues[words] = self._compose(notice.kind, words)
        id_ = notice_issue(notice.kind, notice.id)
        issue = replace(self._issues[words], id=id_, reply_to=self._reply_to(notice, id_))
        link = self._public.link(_LINKS[notice.kind], notice.email, notice.detail.get("issue", ""))
        return issue_writer(self._public.config, issue).envelope(Subscriber(notice.email, "", {_LINK: link}))

    def _variant(self, notice: Notice) -> str:
        """Which words: whoever wrote a mail to join answers one; a newsletter without pages has no link to one."""
        by_mail = notice.detail.get("form") == "mail" and (notice.kind == "confirm" or not self._public.base)
        return "body_mail" if by_mail and notice.kind != "goodbye" else "body"

    def _reply_to(self, notice: Notice, issue_id: str) -> str:
        """Where the answer goes that confirms: the address tells whose it is, where the mailbox takes such ones."""
        config = self._public.config
        if notice.kind != "confirm" or notice.detail.get("form") != "mail":
            return config.newsletter.reply_to
        local, _, host = config.feedback.subscribe.rpartition("@")
        if not config.smtp.verp:
            return f"{local}@{host}"
        domain = split_mailbox(config.newsletter.author, "[newsletter] author")[1].rpartition("@")[2]
        return f"{local}+{reference(message_id(self._public.secret, issue_id, notice.email, domain))}@{host}"

    def _compose(self, kind: NoticeKind, body_words: str) -> Issue:
        from newsletter.compose.pipeline import compose  # slow to import, and not needed before a mail is owed

        public, words = self._public, self._public.words
        subject = words(f"mail_{kind}.subject", title=public.title)
        body = words(body_words, title=_plain(public.title), url=f"{{{{ subscriber.{_LINK} }}}}")
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
