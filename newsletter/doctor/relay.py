"""The relay: is it there, does it take our login, what does it offer, and is its quota enough for the list?

Connects as a send does (smtp.connect), and hangs up before any mail.
"""

import asyncio
import ssl
import time
from datetime import UTC, datetime
from email.utils import parseaddr

from newsletter.delivery.pace import time_at_rates
from newsletter.doctor.diagnosis import Diagnosis
from newsletter.doctor.identity import Identity
from newsletter.doctor.known_domains import freemail
from newsletter.doctor.profiles import Profile
from newsletter.smtp.connect import Connector, RelayTrouble, Session
from newsletter.smtp.rate import Ramp, days_for
from newsletter.smtp.relay import Relay

SECONDS = 15.0
DAYS = 14
"""A certificate that ends sooner is worth a word."""
ROOM = 2_000_000
"""Bytes that a message with embedded pictures may have."""
_DAY = 86_400


async def examine_relays(identity: Identity, recipients: int, unicode_recipients: int) -> list[Diagnosis]:
    """Each relay of `[smtp] url`; `recipients` are those of the list, of which some need SMTPUTF8."""
    if identity.relay_trouble is not None:
        return [Diagnosis("relay", "fail", str(identity.relay_trouble), "fix it in newsletter.toml")]
    if not identity.relays:
        return [Diagnosis("relay", "skip", "no relay is set yet", "set [smtp] url, such as smtp://user@host:587")]
    diagnoses = []
    for relay, profile in identity.profiles():
        diagnoses += await _examine_one(relay, unicode_recipients)
        diagnoses += _known(relay, profile, recipients)
    return [*diagnoses, _quota(identity, recipients)]


async def _examine_one(relay: Relay, unicode_recipients: int) -> list[Diagnosis]:
    try:
        session = await Connector(relay).connect(SECONDS)
    except RelayTrouble as trouble:
        what, _, hint = str(trouble).rpartition("; ")
        return [Diagnosis("relay", "fail", f"the relay {what or trouble}", hint)]
    try:
        login = f", logged in as {parseaddr(relay.user)[1] or relay.user}" if relay.user else ", without a login"
        offers = ", ".join(sorted(name.upper() for name in session.extensions)) or "nothing"
        diagnoses = [Diagnosis("relay", "pass", f"the relay {relay.name} answers{login}; it offers {offers}")]
        if not relay.user and not relay.is_loopback:
            what = f"{relay.name} is used without a login, which a relay for submission asks for"
            diagnoses.append(Diagnosis("relay-login", "warn", what, "name the user: smtp://user@host:587"))
        diagnoses += _transport(relay, session)
        diagnoses += _offers(relay, session, unicode_recipients)
        return diagnoses
    finally:
        session.transport.write(b"QUIT\r\n")
        session.transport.abort()  # sent is sent; a relay that is slow to say goodbye over TLS is not waited for
        await asyncio.sleep(0)


def _transport(relay: Relay, session: Session) -> list[Diagnosis]:
    """TLS and its certificate."""
    tls = session.transport.get_extra_info("ssl_object")
    if tls is None:
        what = f"{relay.name} is on this machine, and spoken to in clear; how mail leaves it is not known from here"
        return [
            Diagnosis("relay-tls", "skip", what, "run `newsletter doctor --probe`, which tells what a mailbox sees")
        ]
    version = tls.version() or "TLS"
    old = version in ("TLSv1", "TLSv1.1", "SSLv3")
    fix = "ask its keeper for TLS 1.2 or 1.3" if old else ""
    diagnoses = [Diagnosis("relay-tls", "fail" if old else "pass", f"{relay.name} speaks {version}", fix)]
    certificate = tls.getpeercert() or {}
    if end := certificate.get("notAfter"):
        days = int((ssl.cert_time_to_seconds(end) - time.time()) // _DAY)
        until = datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC).strftime("%-d %B %Y")
        what = f"the certificate of {relay.name} ends in {days} days, on {until}"
        fix = "renew it: from then on nothing is sent" if days < DAYS else ""
        diagnoses.append(Diagnosis("relay-certificate", "warn" if days < DAYS else "pass", what, fix))
    return diagnoses


def _offers(relay: Relay, session: Session, unicode_recipients: int) -> list[Diagnosis]:
    diagnoses = []
    if session.size:
        small = session.size < ROOM
        what = f"{relay.name} takes messages up to {session.size / 1_000_000:.1f} MB"
        fix = "keep pictures on the web rather than embedding them" if small else ""
        diagnoses.append(Diagnosis("relay-size", "warn" if small else "pass", what, fix))
    if unicode_recipients and "smtputf8" not in session.extensions:
        what = f"{relay.name} offers no SMTPUTF8, and {unicode_recipients:,} on the list have an address that needs it"
        fix = "they are skipped, and named by `newsletter deliveries`; another relay may take them"
        diagnoses.append(Diagnosis("relay-smtputf8", "warn", what, fix))
    return diagnoses


def _known(relay: Relay, profile: Profile | None, recipients: int) -> list[Diagnosis]:
    """What is known of relays that many use."""
    if profile is None:
        return []
    check = "relay-profile"
    found = []
    if profile.name == "Postmark" and b"x-pm-message-stream" not in relay.headers.lower():
        what = "Postmark sends newsletters through a broadcast stream alone, and none is named"
        found.append(Diagnosis(check, "fail", what, '[smtp] headers = { X-PM-Message-Stream = "broadcast" }'))
    if profile.name == "Microsoft 365" and not relay.oauth:
        what = (
            "Microsoft 365 turns logins with a password for SMTP (basic authentication) off at the end of December "
            "2026; an administrator may turn them on again until it ends them for good"
        )
        fix = '[smtp] oauth = "a command that prints an access token"\nsee docs/how-to/relays.md'
        found.append(Diagnosis(check, "warn", what, fix))
    is_personal = relay.user.rpartition("@")[2].lower() in freemail()
    daily = profile.personal if is_personal and profile.personal else profile.daily
    if daily and recipients > daily:
        what = f"{profile.name} takes {daily:,} recipients a day at most, and the list has {recipients:,}"
        found.append(Diagnosis(check, "warn", what, f'[smtp] rate = "{daily}/d", or a relay for newsletters'))
    if not found and profile.know:
        found.append(Diagnosis(check, "skip", f"{profile.name}: {profile.know}"))
    return found


def _quota(identity: Identity, recipients: int) -> Diagnosis:
    """How long the list takes at the configured rates."""
    rates = [relay.rate for relay in identity.relays]
    ramps = [ramp for rate in rates for ramp in rate if isinstance(ramp, Ramp)]
    if ramps:
        days = days_for(recipients, 0, [(ramp, {}) for ramp in ramps])
        named = ", ".join(map(str, ramps))
        what = f"a warm-up, {named}: {recipients:,} on the list take {days:,} days, from the first on"
        return Diagnosis("quota", "pass", what, "")
    seconds = time_at_rates(rates, recipients)
    if not seconds:
        what = "no [smtp] rate is set, so a send goes as fast as the relay takes it"
        return Diagnosis("quota", "pass", f"{what}; {recipients:,} on the list")
    shown = " + ".join(" ".join(map(str, rate)) for rate in rates)
    what = f"{recipients:,} on the list take {_duration(seconds)} at {shown}"
    late = seconds > _DAY
    fix = "ask for a larger quota, add a second relay to [smtp] url, or send to a part with --where" if late else ""
    return Diagnosis("quota", "warn" if late else "pass", what, fix)


def _duration(seconds: float) -> str:
    for size, name in ((_DAY, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{max(1, round(seconds))} seconds"
