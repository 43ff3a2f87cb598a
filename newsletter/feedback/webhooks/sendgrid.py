"""SendGrid: ECDSA with SHA-256 over the time stamp and the body as it came; many events in one request.

Source: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import base64

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from newsletter.errors import NewsletterError
from newsletter.feedback.read import ReturnedMail
from newsletter.feedback.webhooks.posted import (
    Posted,
    ProviderEvent,
    WebhookRefused,
    check_time,
    complained,
    failed,
    left,
    refs_in,
    rows,
    text,
)

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIME = "x-twilio-email-event-webhook-timestamp"
_DROPPED = {"bounced address": "bounce", "spam reporting address": "complaint", "unsubscribed address": "unsubscribe"}


def load_key(key: str) -> ec.EllipticCurvePublicKey:
    """The verification key as SendGrid shows it. Raises NewsletterError."""
    try:
        found = load_der_public_key(base64.b64decode("".join(key.split()), validate=True))
    except ValueError:
        found = None
    if not isinstance(found, ec.EllipticCurvePublicKey):
        raise NewsletterError("is no verification key; copy it from SendGrid's page of the event webhook")
    return found


def read(posted: Posted, key: ec.EllipticCurvePublicKey) -> list[ProviderEvent]:
    """The events. Raises WebhookRefused."""
    stamp = posted.headers.get(_TIME, "")
    try:
        signature = base64.b64decode(posted.headers.get(_SIGNATURE, ""), validate=True)
        key.verify(signature, stamp.encode("utf-8", "replace") + posted.body, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        raise WebhookRefused("no valid signature") from None
    check_time(stamp, posted.now)
    return [ProviderEvent(f"sendgrid:{_id(row)}", _feedback(row)) for row in rows(posted.json())]


def _id(row: dict[str, object]) -> str:
    """What SendGrid says is unique; else what makes up the event."""
    names = ("sg_message_id", "event", "email", "timestamp")
    return text(row, "sg_event_id") or "\0".join(text(row, name) for name in names)


def _feedback(row: dict[str, object]) -> ReturnedMail:
    email, kind, reason = text(row, "email"), text(row, "event"), text(row, "reason")
    refs, provider_id = refs_in(text(row, "smtp-id")), text(row, "sg_message_id").partition(".filter")[0]
    if kind == "dropped":
        kind = _DROPPED.get(reason.lower(), "dropped")
        if kind == "bounce":
            return failed(email, True, reason, suppressed=True, refs=refs, provider_id=provider_id)
    if kind == "bounce":
        permanent = text(row, "type") != "blocked"
        return failed(email, permanent, reason, status=text(row, "status"), refs=refs, provider_id=provider_id)
    if kind in {"spamreport", "complaint"}:
        return complained(email, refs=refs, provider_id=provider_id)
    if kind in {"unsubscribe", "group_unsubscribe"}:
        return left(email, refs=refs, provider_id=provider_id)
    return ReturnedMail("other", email, reason=kind, refs=refs)
