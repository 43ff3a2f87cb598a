"""Amazon SES, by way of SNS: bounces and complaints, as notifications or as events of a configuration set.

Source: https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html and
…/event-publishing-retrieving-sns-contents.html
"""

from cryptography.x509 import Certificate

from newsletter.feedback.read import ReturnedMail
from newsletter.feedback.webhooks.posted import (
    Posted,
    ProviderEvent,
    WebhookRefused,
    complained,
    failed,
    read_json,
    refs_in,
    rows,
    table,
    text,
)
from newsletter.feedback.webhooks.sns import Fetch, is_of_sns, read_signed

_ON_LIST = {"Suppressed", "OnAccountSuppressionList"}


def read(posted: Posted, topic: str, certificates: dict[str, Certificate], fetch: Fetch) -> list[ProviderEvent]:
    """The events, one for each recipient; a subscription to our topic is confirmed. Raises WebhookRefused."""
    message = read_signed(posted, topic, certificates, fetch)
    if text(message, "Type") == "SubscriptionConfirmation":
        url = str(message["SubscribeURL"])
        if not is_of_sns(url):
            raise WebhookRefused("a confirmation that leads elsewhere")
        try:
            fetch(url)
        except OSError:
            raise WebhookRefused("the subscription can't be confirmed now", 503) from None
        return []
    if text(message, "Type") != "Notification":
        return []
    told = read_json(str(message["Message"]))
    if not isinstance(told, dict):
        raise WebhookRefused("no notification of SES", 400)
    id_ = text(message, "MessageId")
    return [ProviderEvent(f"ses:{id_}:{found.email}", found) for found in _feedback(told)]


def _feedback(told: dict[str, object]) -> list[ReturnedMail]:
    kind, mail = text(told, "notificationType") or text(told, "eventType"), table(told, "mail")
    refs, id_ = refs_in(mail.get("headers"), mail.get("commonHeaders")), text(mail, "messageId")
    if kind == "Bounce":
        bounce = table(told, "bounce")
        permanent, on_list = text(bounce, "bounceType") == "Permanent", text(bounce, "bounceSubType") in _ON_LIST
        return [
            failed(
                text(row, "emailAddress"), permanent, text(row, "diagnosticCode"), status=text(row, "status"),
                suppressed=on_list, refs=refs, provider_id=id_,
            )
            for row in rows(bounce.get("bouncedRecipients"))
        ]  # fmt: skip
    complaint = table(told, "complaint")
    if kind == "Complaint" and text(complaint, "complaintFeedbackType") != "not-spam":
        people = rows(complaint.get("complainedRecipients"))
        return [complained(text(row, "emailAddress"), refs=refs, provider_id=id_) for row in people]
    return []
