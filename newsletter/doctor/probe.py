"""`--probe`: one real message through the relay into our own mailbox, and what became of it on the way.

The newest post's message, as a subscriber of that address would get it; recorded nowhere. The mailbox is that of
`[feedback] imap`, where it is found by its reference and left marked as handled. What the receiving server says of it
stands in Authentication-Results (RFC 8601), which is believed, for the mailbox is ours.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from newsletter.audience.source import addressees, find_list
from newsletter.compose.composer import Composer
from newsletter.compose.message.envelope import Envelope
from newsletter.config.settings import Config
from newsletter.delivery.direct import send_direct
from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.identity import Identity
from newsletter.doctor.received import read_received
from newsletter.errors import NewsletterError
from newsletter.feedback.imap import ImapBox, ImapLogin, find_mail
from newsletter.feedback.mailbox import Mail
from newsletter.site.discover import find_posts
from newsletter.smtp.login import TokenError, TokenSource

SECONDS = 120.0
EVERY = 2.0
SLOW = 60.0
CHECK = "probe"


@dataclass(frozen=True, slots=True)
class ProbeMailbox:
    """Where messages of one reference are looked for."""

    box: ImapBox
    login: ImapLogin
    reference: str
    ca_file: Path | None

    def mails(self) -> list[Mail]:
        """Those that are there now; they are marked as handled, so that `feedback` leaves them alone."""
        found = []
        for mail in find_mail(self.box, self.login, self.reference, self.ca_file):
            mail.mark()
            found.append(mail)
        return found


async def examine_probe(
    config: Config, identity: Identity, *, seconds: float = SECONDS, every: float = EVERY
) -> list[Diagnosis]:
    """Send it, wait for it, read it."""
    if not config.feedback.imap:
        return [Diagnosis(CHECK, "skip", "there is no mailbox to send to", "set [feedback] imap to one of yours")]
    if not identity.relays:
        return [Diagnosis(CHECK, "skip", "there is no relay to send through", "set [smtp] url")]
    try:
        box = ImapBox.parse(config.feedback.imap)
        envelope = _message(config, address_of(box, config, identity))
        ca_file = config.root / config.feedback.ca_file if config.feedback.ca_file else None
        mailbox = ProbeMailbox(box, await _login(config), _ref(envelope), ca_file)
        before = {mail.name for mail in await asyncio.to_thread(mailbox.mails)}
        begun = time.monotonic()
        [(_, reply)] = await send_direct([envelope], identity.relays)
        if reply.code // 100 != 2:
            what = f"the relay does not take a message for {envelope.rcpt_to}: {reply}"
            return [Diagnosis(CHECK, "fail", what, "see docs/how-to/relays.md")]
        found = await _wait(mailbox, before, seconds, every)
    except NewsletterError as error:
        return [Diagnosis(CHECK, "fail", str(error), "fix that, and probe again")]
    if found is None:
        what = f"the message to {envelope.rcpt_to} was accepted, and is not in {box.name} after {seconds:.0f} seconds"
        return [Diagnosis(CHECK, "fail", what, "look into its spam folder, and at bounces of the return path")]
    arrived = _arrived(found, time.monotonic() - begun, box, envelope)
    return [arrived, *read_received(envelope.message, found.data, identity.domain)]


async def _login(config: Config) -> ImapLogin:
    """With what `[feedback] oauth` prints, else with the password. Raises NewsletterError where there is neither."""
    if config.feedback.oauth:
        try:
            return ImapLogin(token=await TokenSource(config.feedback.oauth, str(config.root)).token())
        except TokenError as error:
            raise NewsletterError(f"{error}; see [feedback] oauth") from None
    if not (password := config.feedback_password()):
        what = "there is no password for the mailbox; set NEWSLETTER_FEEDBACK__PASSWORD, or [feedback] oauth"
        raise NewsletterError(what)
    return ImapLogin(password)


def address_of(box: ImapBox, config: Config, identity: Identity) -> str:
    """Whose mail lands in the mailbox: its user, where that is an address, else whom bounces or leavers write to."""
    return box.user if "@" in box.user else config.smtp.mail_from or config.unsubscribe.mailto or identity.author


def _message(config: Config, address: str) -> Envelope:
    """The newest post's message to that address. Raises NewsletterError."""
    composer = Composer(config)
    for path in find_posts(config, composer.site):
        page = composer.read(path)
        if not page.post.draft:
            rows = find_list(config)
            writer = composer.compose(page).writer(rows.columns if rows is not None else None)
            return writer.envelope(addressees(rows, [address])[0])
    raise NewsletterError("there is no post whose message could be sent; `newsletter new TITLE` makes one")


def _ref(envelope: Envelope) -> str:
    """The message's reference, which comes back even where Message-ID is replaced."""
    head = envelope.message.partition(b"\r\n\r\n")[0]
    line = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"x-newsletter-ref:"))
    return line.partition(b":")[2].strip().decode("ascii")


async def _wait(mailbox: ProbeMailbox, before: set[str], seconds: float, every: float) -> Mail | None:
    """The first message that was not there before, or None after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        new = [mail for mail in await asyncio.to_thread(mailbox.mails) if mail.name not in before]
        if new or time.monotonic() > deadline:
            return new[0] if new else None
        await asyncio.sleep(every)


def _arrived(mail: Mail, seconds: float, box: ImapBox, envelope: Envelope) -> Diagnosis:
    folder = mail.name.rpartition(":")[0]
    if folder != box.folder:
        what = f"the message to {envelope.rcpt_to} landed in {folder}, after {seconds:.0f} seconds"
        return Diagnosis(
            CHECK, "fail", what, "what is wrong above is the likeliest reason; take it out of there by hand"
        )
    slow = seconds > SLOW
    what = f"the message to {envelope.rcpt_to} arrived in {folder} after {seconds:.0f} seconds"
    return Diagnosis(
        CHECK, "warn" if slow else "pass", what, "the relay, or the mailbox, puts it off (greylisting?)" if slow else ""
    )
