"""Read newsletter.toml and the environment into one frozen value.

Every key can be set by environment (`NEWSLETTER_SMTP__URL=…`), which wins over the file. Paths are relative to the
file. Secrets come from the environment or a file of mode 0600, never from newsletter.toml. This module checks
shapes; what a rate or a relay's URL means is parsed in the room that uses it, which names the key with `Config.naming`.
"""

import contextlib
import os
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
)

from newsletter.config import explain
from newsletter.config.environment import apply_environment
from newsletter.config.toml import refuse_unbounded
from newsletter.config.values import HexColour, Language, MailAddress, Number, OwnFolder, Timezone, WebAddress
from newsletter.errors import NewsletterError

CONFIG_NAME = "newsletter.toml"
STATE_DIR = ".newsletter"
"""Beside newsletter.toml: the secret, the test inbox. Ignored by git."""

PLACEHOLDER = "you@example.org"
"""What `init` writes where the writer's own address belongs; it never goes out."""
PLACEHOLDER_NAME = "Your Name"
"""And what where the writer's name belongs."""
PLACEHOLDER_TITLE = "My newsletter"
"""And what where the newsletter's name belongs."""

_SECRETS = (
    ("smtp", "password"),
    ("feedback", "password"),
    *(("webhooks", name) for name in ("mailgun_key", "resend_secret", "postmark_auth", "brevo_auth")),
    ("secret",),
    ("age_key",),
)


class Section(BaseModel):
    """A table of newsletter.toml: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Newsletter(Section):
    """Who writes, and what the mail looks like. An empty title, url or author is taken from the site, if any."""

    title: str = ""
    author: str = ""
    reply_to: str = ""
    url: WebAddress = ""
    postal_address: str = ""
    language: Language = "en"
    timezone: Timezone = ""  # empty: the site's, else the machine's
    layout: str = "post"
    reason: str = ""  # why the reader gets this; the footer's first sentence
    images: Literal["link", "embed", "resize"] = "link"  # pictures of the site: on the web, or in the message
    logo: str = ""  # URL or path of an image under the site
    color: HexColour = "#0b5cad"  # links, buttons, rules
    background: HexColour = "#f4f4f1"  # around the page
    font: str = ""  # a CSS font-family list; empty: the template's own
    extra: dict[str, Any] = Field(default_factory=dict)  # keys of one's own, for templates


class Posts(Section):
    dir: str = "posts"
    permalink: str = ""  # empty: the site's, else /:title/
    live: bool = False  # a live send waits until the post's page answers
    live_wait: str = "30m"  # for so long at most


class Digest(Section):
    every: Literal["", "daily", "weekly", "monthly"] = (
        ""  # of `send --new`: one issue of several posts; empty: one each
    )


class Smtp(Section):
    url: str | list[str] = ""  # empty: none yet
    mail_from: MailAddress = ""
    verp: bool = True  # where mail_from is set: a return path of its own for each message
    connections: Number = Field(default=10, ge=1, le=1000)
    rate: str = ""
    password: SecretStr = SecretStr("")
    password_file: str = ""
    ca_file: str = ""  # PEM of a private certificate authority, for a relay inside a company
    headers: dict[str, str] = {}  # on each message, for the relay: X-PM-Message-Stream, X-SES-CONFIGURATION-SET …
    oauth: str = ""  # XOAUTH2: a command that prints an access token, in place of a password

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.url,) if isinstance(self.url, str) else self.url))


class Delivery(Section):
    retry_first: str = "5m"
    retry_max: str = "4h"
    give_up: str = "48h"


class Subscribers(Section):
    source: str = "subscribers.csv"
    where: str = ""  # a segment that always holds
    topics: list[str] = []  # tags that readers may choose on the public pages; empty: whatever a sign-up names


class Unsubscribe(Section):
    url: WebAddress = ""
    mailto: MailAddress = ""


class State(Section):
    url: str = "sqlite:///newsletter.db"
    dir: OwnFolder = ".newsletter"  # for what is ours and never in git: the secret, the test inbox


class Inbox(Section):
    url: str = ""
    token: SecretStr = SecretStr("")
    login: SecretStr = SecretStr("")  # NAME:PASSWORD that programs must give to the SMTP server


class Feedback(Section):
    imap: str = ""  # imaps://user@host/INBOX
    subscribe: MailAddress = ""  # what people write to, to join; its mail comes to the mailbox too
    move_to: str = ""  # a folder of the mailbox for what was handled; empty: it stays, with a mark
    password: SecretStr = SecretStr("")
    password_file: str = ""
    oauth: str = ""  # a command that prints a fresh access token, for XOAUTH2
    ca_file: str = ""  # PEM of a private certificate authority
    trust_unsigned: bool = False  # act on bounces that hold nothing of ours, about addresses of the last 30 days


class Webhooks(Section):
    """What proves that a provider speaks; a provider without it is not answered."""

    ses_topic: str = ""  # the ARN of the SNS topic
    sendgrid_key: str = ""  # the verification key, which is public
    mailgun_key: SecretStr = SecretStr("")
    resend_secret: SecretStr = SecretStr("")  # whsec_…
    postmark_auth: SecretStr = SecretStr("")  # user:password, or the end of the path
    brevo_auth: SecretStr = SecretStr("")


class Dkim(Section):
    domain: str | list[str] = ""  # with selector and key_file: one each, or lists of equal length
    selector: str | list[str] = ""
    key_file: str | list[str] = ""


class Doctor(Section):
    nameserver: str = ""  # "127.0.0.1:5353"; empty: the system's
    lists: list[str] = []  # DNS lists (RFC 5782) to be asked, such as zen.spamhaus.org


Client = Literal[
    "gmail", "apple-mail", "outlook-windows", "outlook-web", "outlook-mobile", "yahoo", "aol", "thunderbird",
    "samsung-email", "protonmail", "fastmail", "hey", "gmx", "web-de", "orange", "sfr", "laposte", "mail-ru",
]  # fmt: skip


class Checks(Section):
    clients: list[Client] = [
        "gmail",
        "apple-mail",
        "outlook-windows",
        "outlook-web",
        "outlook-mobile",
        "yahoo",
    ]
    ignore: list[str] = []  # names of rules that never report
    spamd: str = ""  # host:port of a local rspamd or SpamAssassin


class Config(Section):
    """newsletter.toml as one frozen value; `root` is the folder it stands in."""

    newsletter: Newsletter = Newsletter()
    posts: Posts = Posts()
    digest: Digest = Digest()
    smtp: Smtp = Smtp()
    delivery: Delivery = Delivery()
    subscribers: Subscribers = Subscribers()
    unsubscribe: Unsubscribe = Unsubscribe()
    state: State = State()
    inbox: Inbox = Inbox()
    feedback: Feedback = Feedback()
    webhooks: Webhooks = Webhooks()
    dkim: Dkim = Dkim()
    doctor: Doctor = Doctor()
    checks: Checks = Checks()
    secret: SecretStr = SecretStr("")
    age_key: SecretStr = SecretStr("")  # seals and opens the state and the list
    _path: Path = PrivateAttr(default=Path(CONFIG_NAME))
    _text: str = PrivateAttr(default="")

    def at(self, path: Path, text: str = "") -> Self:
        """These settings as those of the newsletter.toml at `path`, which holds `text`."""
        config = self.model_copy()
        config._path, config._text = path, text
        return config

    @property
    def path(self) -> Path:
        """newsletter.toml itself."""
        return self._path

    @property
    def root(self) -> Path:
        """The folder of newsletter.toml, absolute; every other path is relative to it."""
        return self.path.absolute().parent

    @property
    def state_dir(self) -> Path:
        """The folder for what is ours and never in git; not made here."""
        return self.root / Path(self.state.dir).expanduser()

    def where(self, *keys: str) -> explain.Location:
        """Where a key was set, as NewsletterError takes it: `path` and `line`, or the environment's variable."""
        return explain.location_of(keys, self.path, self._text, os.environ)

    @contextlib.contextmanager
    def naming(self, *keys: str) -> Iterator[None]:
        """What is wrong with a value inside is said to be wrong with this key: its file and line, its name."""
        try:
            yield
        except NewsletterError as error:
            if error.path is None:
                place = self.where(*keys)
                error.path, error.line = str(place["path"]), place["line"]
                name = f"[{keys[0]}] {keys[-1]}"
                if name not in error.what:
                    error.what = f"{name}: {error.what}"
            raise

    def smtp_password(self) -> str:
        """The relay's password, from the environment or a 0600 file; empty if there is none."""
        return self._password(self.smtp.password, self.smtp.password_file, "SMTP")

    def feedback_password(self) -> str:
        """The mailbox's password, from the environment or a 0600 file; empty if there is none."""
        return self._password(self.feedback.password, self.feedback.password_file, "FEEDBACK")

    def _password(self, password: SecretStr, password_file: str, section: str) -> str:
        if password_file:
            path = self.root / password_file
            try:
                if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                    raise NewsletterError("other users can read this password file; run `chmod 600` on it", path=path)
                return path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                raise NewsletterError(
                    f"the password file can't be read ({reason}); see NEWSLETTER_{section}__PASSWORD_FILE", path=path
                ) from None
        return password.get_secret_value()


_JOBS = ("TF_BUILD", "JENKINS_URL", "TEAMCITY_VERSION", "CODEBUILD_BUILD_ID", "BITBUCKET_BUILD_NUMBER", "BUILD_BUILDID")
"""What Azure Pipelines, Jenkins, TeamCity and CodeBuild set in a job, where they do not set `CI`."""


def in_job() -> bool:
    """Does the environment say that this is a CI job? `CI` decides where it is set."""
    said = os.environ.get("CI", "").strip().lower()
    return said not in ("0", "false") and bool(said or any(os.environ.get(name) for name in _JOBS))


def find_config(start: Path) -> Path | None:
    """newsletter.toml in `start` or the nearest folder above it."""
    for folder in (start, *start.parents):
        if (folder / CONFIG_NAME).is_file():
            return folder / CONFIG_NAME
    return None


def load_config(path: Path | None = None) -> Config:
    """Read `path`, or the newsletter.toml found from the working directory upward.

    Raises NewsletterError with the line for what is missing, broken, unknown (the nearest known key is
    suggested) or secret.
    """
    found = path or find_config(Path.cwd())
    if found is None:
        raise NewsletterError(f"no {CONFIG_NAME} here or above; run `newsletter init` to make one")
    try:
        text = found.read_bytes().decode("utf-8-sig")
        refuse_unbounded(text, found)
        table = tomllib.loads(text.replace("\r\n", "\n"))
    except OSError as error:
        raise NewsletterError(f"can't be read: {error.strerror}; name a file with --config", path=found) from None
    except UnicodeDecodeError:
        raise NewsletterError("is not UTF-8; save it as UTF-8", path=found) from None
    except tomllib.TOMLDecodeError as error:
        raise explain.broken_toml(error, found, text) from None
    except RecursionError:
        raise NewsletterError("is nested too deep; write it flatter", path=found) from None
    for keys in _SECRETS:
        if _dig(table, keys) not in (None, ""):
            env = "NEWSLETTER_" + "__".join(keys).upper()
            raise NewsletterError(
                f"{'.'.join(keys)} is a secret and stands in a file for git; take it out, set {env} in the environment",
                path=found, line=explain.line_of_setting(text, keys),
            )  # fmt: skip
    apply_environment(table, os.environ, Config)
    try:
        config = Config(**table).at(found, text)
    except ValidationError as error:
        raise explain.invalid_value(error, Config, found, text, os.environ) from None
    explain.check_names(os.environ, Config)
    return config


def _dig(table: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table
