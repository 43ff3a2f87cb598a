"""Read newsletter.toml and the environment into one frozen value.

Every key can be set by environment (`NEWSLETTER_SMTP__URL=…`), which wins over the file. Paths are relative to the
file. Secrets come from the environment or a file of mode 0600, never from newsletter.toml. This module checks
shapes; what a URL or a rate means is parsed in the room that uses it.
"""

import difflib
import re
import stat
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from newsletter.errors import NewsletterError

CONFIG_NAME = "newsletter.toml"
STATE_DIR = ".newsletter"
"""Beside newsletter.toml: the secret, the test inbox. Ignored by git."""

_COLOUR = re.compile(r"#[0-9A-Fa-f]{3}(?:[0-9A-Fa-f]{3})?\Z")
_SECRETS = {("smtp", "password"), ("secret",)}


class Section(BaseModel):
    """A table of newsletter.toml: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Newsletter(Section):
    """Who writes, and what the mail looks like. An empty title, url or author is taken from the site, if any."""

    title: str = ""
    author: str = ""
    reply_to: str = ""
    url: str = ""
    postal_address: str = ""
    language: str = "en"
    layout: str = "post"
    reason: str = ""  # why the reader gets this; the footer's first sentence
    logo: str = ""  # URL or path of an image under the site
    color: str = "#0b5cad"  # links, buttons, rules
    background: str = "#f4f4f1"  # around the page
    font: str = ""  # a CSS font-family list; empty: the template's own

    @field_validator("color", "background")
    @classmethod
    def _is_hex(cls, value: str) -> str:
        if not _COLOUR.match(value):
            raise ValueError(f"{value!r} is not a colour such as #0b5cad")
        return value


class Posts(Section):
    dir: str = "posts"
    permalink: str = ""  # empty: the site's, else /:title/


class Smtp(Section):
    url: str | list[str] = "smtp://localhost:1025"
    mail_from: str = ""
    connections: int = Field(default=10, ge=1, le=1000)
    rate: str = ""
    password: SecretStr = SecretStr("")
    password_file: str = ""
    ca_file: str = ""  # PEM of a private certificate authority, for a relay inside a company

    @property
    def urls(self) -> tuple[str, ...]:
        return (self.url,) if isinstance(self.url, str) else tuple(self.url)


class Delivery(Section):
    retry_first: str = "5m"
    retry_max: str = "4h"
    give_up: str = "48h"


class Subscribers(Section):
    source: str = "subscribers.csv"


class Unsubscribe(Section):
    url: str = ""
    mailto: str = ""


class State(Section):
    url: str = "sqlite:///newsletter.db"


class Inbox(Section):
    url: str = ""


class Feedback(Section):
    imap: str = ""


class Dkim(Section):
    domain: str = ""
    selector: str = ""
    key_file: str = ""


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


class Config(BaseSettings):
    """newsletter.toml as one frozen value; `root` is the folder it stands in."""

    model_config = SettingsConfigDict(
        env_prefix="NEWSLETTER_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    newsletter: Newsletter = Newsletter()
    posts: Posts = Posts()
    smtp: Smtp = Smtp()
    delivery: Delivery = Delivery()
    subscribers: Subscribers = Subscribers()
    unsubscribe: Unsubscribe = Unsubscribe()
    state: State = State()
    inbox: Inbox = Inbox()
    feedback: Feedback = Feedback()
    dkim: Dkim = Dkim()
    checks: Checks = Checks()
    secret: SecretStr = SecretStr("")
    _path: Path = PrivateAttr(default=Path(CONFIG_NAME))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        return env_settings, init_settings

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
        return self.root / STATE_DIR

    def smtp_password(self) -> str:
        """The relay's password, from the environment or a 0600 file; empty if there is none."""
        if self.smtp.password_file:
            path = self.root / self.smtp.password_file
            try:
                if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                    raise NewsletterError("others can read this password file; run `chmod 600` on it", path=path)
                return path.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise NewsletterError(
                    f"the password file can't be read ({error.strerror}); see NEWSLETTER_SMTP__PASSWORD_FILE",
                    path=path,
                ) from None
        return self.smtp.password.get_secret_value()


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
        table = tomllib.loads(text.replace("\r\n", "\n"))
    except OSError as error:
        raise NewsletterError(f"can't be read: {error.strerror}; name a file with --config", path=found) from None
    except UnicodeDecodeError:
        raise NewsletterError("is not UTF-8; save it as UTF-8", path=found) from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        what = re.sub(r" \(at (line \d+, column \d+|end of document)\)", "", str(error))
        raise NewsletterError(f"{what}; mend the TOML", path=found, line=int(line[1]) if line else None) from None
    for keys in _SECRETS:
        if _dig(table, keys) is not None:
            env = "NEWSLETTER_" + "__".join(keys).upper()
            raise NewsletterError(
                f"{'.'.join(keys)} is a secret; take it out and set {env} in the environment",
                path=found, line=_line_of(text, keys),
            )  # fmt: skip
    try:
        config = Config(**table)
    except ValidationError as error:
        raise _explain(error, found, text) from None
    config._path = found
    return config


def _explain(error: ValidationError, path: Path, text: str) -> NewsletterError:
    first = error.errors()[0]
    keys = tuple(str(key) for key in first["loc"])
    line = _line_of(text, keys)
    where = {"path": path, "line": line} if line else {"path": "environment NEWSLETTER_" + "__".join(keys).upper()}
    name = f"[{keys[0]}] {'.'.join(keys[1:])}" if len(keys) > 1 else keys[0]
    if first["type"] == "extra_forbidden":
        known = _known(keys[:-1])
        near = difflib.get_close_matches(keys[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        kind = "key" if len(keys) > 1 else "table"
        return NewsletterError(f"unknown {kind} {name}; {hint}", **where)
    reason = str(first["msg"]).removeprefix("Value error, ")
    return NewsletterError(f"{name}: {reason}; it is {first['input']!r} now", **where)


def _known(keys: tuple[str, ...]) -> list[str]:
    model: type[BaseModel] = Config
    for key in keys:
        annotation = model.model_fields[key].annotation
        model = annotation if isinstance(annotation, type) else next(iter(get_args(annotation)))
    return [name for name in model.model_fields if name not in {"secret", "password"}]


def _dig(table: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _line_of(text: str, keys: tuple[str, ...]) -> int | None:
    """The line (from 1) of `[keys[0]] keys[1] = …`, or of the table itself; None where the file doesn't say it."""
    table: str | None = None
    header: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
            table = match[1].strip("\"' ")
            if table == keys[0]:
                header = number
                if len(keys) == 1:
                    return number
        elif match := re.match(r"\s*([\w\"'.-]+)\s*=", line):
            full = tuple(part.strip("\"' ") for part in ([table] if table else []) + match[1].split("."))
            if full == keys[: len(full)]:
                return number
    return header if len(keys) == 1 else None
