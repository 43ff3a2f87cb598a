"""Resend: signed as Svix does, HMAC-SHA-256 over id, time stamp and body; several signatures while a key is changed.

Source: https://docs.svix.com/receiving/verifying-payloads/how-manual and https://resend.com/docs/dashboard/webhooks
"""

import base64
import hashlib
import hmac

from newsletter.errors import NewsletterError
from newsletter.feedback.read import ReturnedMail
from newsletter.feedback.webhooks.posted import (
    Posted,
    ProviderEvent,
    WebhookRefused,
    check_time,
    complained,
    failed,
    is_same,
    refs_in,
    table,
    text,
)


def load_key(secret: str) -> bytes:
    """The key inside `whsec_…`. Raises NewsletterError."""
    try:
        key = base64.b64decode(secret.strip().removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise NewsletterError("is no signing secret; copy it from Resend's page of the webhook: whsec_…")
    return key


def read(posted: Posted, key: bytes) -> list[ProviderEvent]:
    """The events, one for each address. Raises WebhookRefused."""
    id_, stamp = posted.headers.get("svix-id", ""), posted.headers.get("svix-timestamp", "")
    signed = f"{id_}.{stamp}.".encode("utf-8", "replace") + posted.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")
    given = posted.headers.get("svix-signature", "").split()[:10]
    if not id_ or not any(is_same(one, f"v1,{expected}") for one in given):
        raise WebhookRefused("no valid signature")
    check_time(stamp, posted.now)
    body = posted.json()
    kind, data = text(body, "type"), table(body, "data")
    to = data.get("to")
    addresses = [to] if isinstance(to, str) else to if isinstance(to, list) else []
    return [ProviderEvent(f"resend:{id_}:{email}", _feedback(kind, data, str(email))) for email in addresses[:100]]


def _feedback(kind: str, data: dict[str, object], email: str) -> ReturnedMail:
    refs, provider_id = refs_in(data.get("headers"), text(data, "message_id")), text(data, "email_id")
    if kind == "email.bounced":
        bounce = table(data, "bounce")
        on_list = text(bounce, "subType").lower() in {"suppressed", "onaccountsuppressionlist"}
        permanent = text(bounce, "type").lower() in {"permanent", ""}
        said = text(bounce, "diagnosticCode") or text(bounce, "message")
        return failed(email, permanent, said, suppressed=on_list, refs=refs, provider_id=provider_id)
    if kind == "email.suppressed":
        return failed(email, True, "", suppressed=True, refs=refs, provider_id=provider_id)
    if kind == "email.complained":
        return complained(email, refs=refs, provider_id=provider_id)
    return ReturnedMail("other", email, reason=kind, refs=refs)
