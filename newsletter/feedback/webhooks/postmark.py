"""Postmark: not signed; a secret that it was given, by basic authentication or in the path.

Source: https://postmarkapp.com/developer/webhooks/bounce-webhook, …/spam-complaint-webhook,
…/subscription-change-webhook
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

_FOR_GOOD = {"HardBounce", "BadEmailAddress"}
_PASSES = {"SoftBounce", "DnsError", "SMTPApiError", "Unknown", "Blocked", "SpamNotification", "DMARCPolicy"}
"""What passes, or is about us, as the server's words say."""


def read(posted: Posted, secret: str) -> list[ProviderEvent]:
    """The event. Raises WebhookRefused."""
    check_shared_secret(posted, secret)
    return [ProviderEvent(f"postmark:{_id(row)}", _feedback(row)) for row in rows(posted.json())]


def _id(row: dict[str, object]) -> str:
    names = ("RecordType", "MessageID", "ID", "Email", "Recipient", "BouncedAt", "ChangedAt")
    return "\0".join(text(row, name) for name in names)


def _feedback(row: dict[str, object]) -> ReturnedMail:
    record, kind = text(row, "RecordType"), text(row, "Type")
    email = text(row, "Email") or text(row, "Recipient")
    refs, id_ = refs_in(row.get("Content"), row.get("Headers")), text(row, "MessageID")
    if record == "SubscriptionChange":
        if row.get("SuppressSending") is not True:
            return ReturnedMail("other", email, reason="subscription change", refs=refs)
        why = text(row, "SuppressionReason")
        record = {"HardBounce": "Bounce", "SpamComplaint": "SpamComplaint"}.get(why, record)
        kind = why if record == "Bounce" else "Unsubscribe"
    if record == "SpamComplaint" or kind == "SpamComplaint":
        return complained(email, refs=refs, provider_id=id_)
    if kind == "Unsubscribe":
        return left(email, refs=refs, provider_id=id_)
    if record == "Bounce" and kind in _FOR_GOOD | _PASSES:
        said = text(row, "Details") or text(row, "Description")
        return failed(email, kind in _FOR_GOOD, said, refs=refs, provider_id=id_)
    return ReturnedMail("other", email, reason=kind or record, refs=refs)
