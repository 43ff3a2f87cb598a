"""Brevo: not signed; a secret that it was given, by basic authentication, as a Bearer token or in the path.

Source: https://developers.brevo.com/docs/transactional-webhooks and …/how-to-use-webhooks
"""

from newsletter.feedback.read import ReturnedMail
from newsletter.feedback.webhooks.posted import (
    Posted,
    ProviderEvent,
    check_shared_secret,
    complained,
    failed,
    left,
    refs_in,
    rows,
    text,
)

_BOUNCES = {"hard_bounce": True, "invalid_email": True, "soft_bounce": False}
_COMPLAINTS = {"spam", "complaint"}
_LEFT = {"unsubscribed", "unsubscribe"}


def read(posted: Posted, secret: str) -> list[ProviderEvent]:
    """The events. Raises WebhookRefused."""
    check_shared_secret(posted, secret)
    return [ProviderEvent(f"brevo:{_id(row)}", _feedback(row)) for row in rows(posted.json())]


def _id(row: dict[str, object]) -> str:
    return "\0".join(text(row, name) for name in ("event", "email", "message-id", "ts_event", "ts", "date"))


def _feedback(row: dict[str, object]) -> ReturnedMail:
    email, kind, id_ = text(row, "email"), text(row, "event"), text(row, "message-id")
    kind = {"hardBounce": "hard_bounce", "softBounce": "soft_bounce", "invalid": "invalid_email"}.get(kind, kind)
    refs = refs_in(id_, row.get("headers"))
    if kind in _BOUNCES:
        return failed(email, _BOUNCES[kind], text(row, "reason"), refs=refs, provider_id=id_)
    if kind in _COMPLAINTS:
        return complained(email, refs=refs, provider_id=id_)
    if kind in _LEFT:
        return left(email, refs=refs, provider_id=id_)
    return ReturnedMail("other", email, reason=kind, refs=refs)
