"""Mailgun: HMAC-SHA-256 over time stamp and token, each token once.

The signature says nothing of the event itself, so a token that came before is refused whatever comes with it. Source:
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
"""

import hashlib
import hmac

from newsletter.feedback.read import ReturnedMail
from newsletter.feedback.webhooks.posted import (
    Posted,
    ProviderEvent,
    WebhookRefused,
    check_time,
    complained,
    failed,
    is_same,
    left,
    refs_in,
    table,
    text,
)

_ON_LIST = {"suppress-bounce", "suppress-complaint", "suppress-unsubscribe"}


def read(posted: Posted, key: str) -> list[ProviderEvent]:
    """The event, keyed by its token. Raises WebhookRefused."""
    body = posted.json()
    signed = table(body, "signature")
    stamp, token = text(signed, "timestamp"), text(signed, "token")
    mac = hmac.new(key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    if not token or not is_same(text(signed, "signature"), mac):
        raise WebhookRefused("no valid signature")
    check_time(stamp, posted.now)
    return [ProviderEvent(f"mailgun:{token}", _feedback(table(body, "event-data")))]


def _feedback(event: dict[str, object]) -> ReturnedMail:
    email, kind = text(event, "recipient"), text(event, "event")
    headers = table(event, "message", "headers")
    refs = refs_in(headers, f"<{text(headers, 'message-id').strip('<>')}>")
    if kind == "failed" and text(event, "severity") == "permanent":
        status = table(event, "delivery-status")
        said = " ".join(filter(None, (text(status, "code"), text(status, "message") or text(status, "description"))))
        on_list = text(event, "reason") in _ON_LIST
        return failed(email, True, said, status=text(status, "enhanced-code"), suppressed=on_list, refs=refs)
    if kind == "complained":
        return complained(email, refs=refs)
    if kind == "unsubscribed":
        return left(email, refs=refs)
    return ReturnedMail("other", email, reason=kind, refs=refs)
