"""Who sends: the domains and keys that mail is judged by, and the relays it leaves by. Read from the config, once.

From which addresses a relay's mail comes is `dns.sources`' business, and what is known of it `profiles`'.
"""

import ipaddress
from dataclasses import dataclass

from newsletter.audience.address import split_mailbox
from newsletter.compose.message.dkim_key import SigningKey, load_keys
from newsletter.config.settings import Config
from newsletter.doctor.profiles import Profile, profile_of
from newsletter.errors import NewsletterError
from newsletter.smtp.relay import Relay, configured_relays


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything a receiver holds a message against."""

    author: str  # the address in From
    mail_from: str  # the return path
    reply_to: str
    unsubscribe: str  # a mailbox, or empty
    relays: tuple[Relay, ...]
    relay_trouble: NewsletterError | None
    keys: tuple[SigningKey, ...]
    key_trouble: NewsletterError | None

    @property
    def domain(self) -> str:
        """Of From: the one that DMARC is about."""
        return self.author.rpartition("@")[2]

    @property
    def return_domain(self) -> str:
        """Of the return path: the one that SPF is about."""
        return self.mail_from.rpartition("@")[2]

    def profiles(self) -> list[tuple[Relay, Profile | None]]:
        """Each relay with its profile, if it is a known one."""
        return [(relay, profile_of(relay.host)) for relay in self.relays]


def read_identity(config: Config) -> Identity:
    """From newsletter.toml. Raises NewsletterError where there is no author; other faults are kept, to be told."""
    if not config.newsletter.author.strip():
        what = '[newsletter] author is empty; set it, such as author = "Ada Moreau <ada@example.org>"'
        raise NewsletterError(what, **config.where("newsletter", "author"))
    with config.naming("newsletter", "author"):
        author = split_mailbox(config.newsletter.author, "[newsletter] author")[1]
    reply_to = ""
    if config.newsletter.reply_to.strip():
        with config.naming("newsletter", "reply_to"):
            reply_to = split_mailbox(config.newsletter.reply_to, "[newsletter] reply_to")[1]
    relays: tuple[Relay, ...] = ()
    keys: tuple[SigningKey, ...] = ()
    relay_trouble = key_trouble = None
    try:
        relays = configured_relays(config) if config.smtp.urls else ()
    except NewsletterError as error:
        relay_trouble = error
    try:
        keys = load_keys(config)
    except NewsletterError as error:
        key_trouble = error
    mail_from = split_mailbox(config.smtp.mail_from, "[smtp] mail_from")[1] if config.smtp.mail_from else author
    leave = split_mailbox(config.unsubscribe.mailto, "[unsubscribe] mailto")[1] if config.unsubscribe.mailto else ""
    return Identity(author, mail_from, reply_to, leave, relays, relay_trouble, keys, key_trouble)


def literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is written as; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
