"""Relays that many use, by their host: whom their SPF names, whose return path they send under, what to know of them.

From their own documentation, November 2026. A relay that is not here is taken to be a server of one's own, or of a
provider of mailboxes: what it sends comes from its own addresses, under our return path, and is not signed for us.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """`include`: what its customers' SPF records name. `own_return_path`: it replaces MAIL FROM unless told otherwise.

    `signs`: it can sign with DKIM for our domain, once that is set up there. `daily`: what it takes in a day, at most;
    `personal`: of an account without a domain of its own.
    """

    name: str
    hosts: tuple[str, ...]  # ends of host names
    include: str = ""
    own_return_path: bool = False
    signs: bool = True
    daily: int = 0
    personal: int = 0
    freemail: bool = False  # people send from its own domain by it, rightly
    know: str = ""


PROFILES = (
    Profile(
        "Amazon SES", ("amazonaws.com", "amazonses.com"), "amazonses.com", own_return_path=True,
        know="a new account is in the sandbox, which mails verified addresses alone: ask for production access. "
        "Without a custom MAIL FROM domain its return path is amazonses.com, and SPF does not align",
    ),
    Profile(
        "Postmark", ("postmarkapp.com",), "spf.mtasv.net", own_return_path=True,
        know="newsletters go through a broadcast stream: [smtp] headers = { X-PM-Message-Stream = \"broadcast\" }",
    ),
    Profile(
        "Microsoft 365", ("office365.com", "smtp.cloud.microsoft", "smtp-mail.outlook.com"),
        "spf.protection.outlook.com",
        daily=10_000, freemail=True,
        know="it turns basic authentication for SMTP off at the end of December 2026: set [smtp] oauth. 10,000 "
        "recipients a day and 30 messages a minute",
    ),
    Profile(
        "Gmail", ("smtp.gmail.com",), "_spf.google.com", daily=2_000, personal=500, freemail=True,
        know="500 recipients a day, 2,000 with Google Workspace; it puts the account's own address into From",
    ),
    Profile(
        "Google Workspace relay", ("smtp-relay.gmail.com",), "_spf.google.com", daily=10_000,
        know="10,000 recipients a day for each user",
    ),
    Profile("Mailgun", ("mailgun.org",), "mailgun.org", know="it wraps links and adds a pixel unless tracking is off"),
    Profile(
        "SendGrid", ("sendgrid.net",), "sendgrid.net", own_return_path=True,
        know="it wraps links and adds its own unsubscribe text unless both are off",
    ),
    Profile(
        "Brevo", ("smtp-relay.brevo.com", "smtp-relay.sendinblue.com"), "spf.brevo.com", own_return_path=True,
        daily=300,
        know="300 messages a day without a plan; it wraps links unless told not to",
    ),
    Profile("Resend", ("resend.com",), "amazonses.com", own_return_path=True),
    Profile("Mailjet", ("mailjet.com",), "spf.mailjet.com", own_return_path=True),
    Profile("MailerSend", ("mailersend.net",), "_spf.mailersend.net", own_return_path=True),
    Profile("SMTP2GO", ("smtp2go.com",), "spf.smtp2go.com", own_return_path=True),
    Profile("SparkPost", ("sparkpostmail.com",), "sparkpostmail.com", own_return_path=True),
    Profile(
        "Mailtrap", ("live.smtp.mailtrap.io", "bulk.smtp.mailtrap.io"), "_spf.smtp.mailtrap.live", own_return_path=True
    ),
    Profile("Scaleway", ("smtp.tem.scaleway.com", "smtp.tem.scw.cloud"), "_spf.tem.scaleway.com"),
    Profile("Fastmail", ("fastmail.com", "messagingengine.com"), "spf.messagingengine.com", daily=8_000, freemail=True),
    Profile("Infomaniak", ("infomaniak.com",), "spf.infomaniak.ch"),
    Profile("Gandi", ("gandi.net",), "_mailcust.gandi.net"),
    Profile("OVH", ("ovh.net", "mail.ovh.net"), "mx.ovh.com"),
    Profile("Migadu", ("migadu.com",), "spf.migadu.com"),
    Profile("Proton", ("protonmail.ch", "smtp.proton.me"), "_spf.protonmail.ch"),
)  # fmt: skip


def profile_of(host: str) -> Profile | None:
    """The relay's profile by its host, if it is a known one."""
    name = host.lower().rstrip(".")
    return next(
        (one for one in PROFILES for end in one.hosts if name == end or name.endswith(f".{end}")),
        None,
    )
