"""The providers whose webhooks are answered: those of which newsletter.toml, or the environment, says a secret."""

from collections.abc import Callable
from functools import partial

from newsletter.config.settings import Config
from newsletter.feedback.webhooks import brevo, mailgun, postmark, resend, sendgrid, ses
from newsletter.feedback.webhooks.posted import Posted, ProviderEvent
from newsletter.feedback.webhooks.sns import Fetch, fetch_https

ReadPosted = Callable[[Posted], list[ProviderEvent]]


def providers(config: Config, fetch: Fetch = fetch_https) -> dict[str, ReadPosted]:
    """What reads a provider's requests, by its name. Raises NewsletterError for a key that is none."""
    own = config.webhooks
    found: dict[str, ReadPosted] = {}
    if own.ses_topic:
        found["ses"] = partial(ses.read, topic=own.ses_topic, certificates={}, fetch=fetch)
    if own.sendgrid_key:
        with config.naming("webhooks", "sendgrid_key"):
            found["sendgrid"] = partial(sendgrid.read, key=sendgrid.load_key(own.sendgrid_key))
    if secret := own.mailgun_key.get_secret_value():
        found["mailgun"] = partial(mailgun.read, key=secret)
    if secret := own.resend_secret.get_secret_value():
        with config.naming("webhooks", "resend_secret"):
            found["resend"] = partial(resend.read, key=resend.load_key(secret))
    if secret := own.postmark_auth.get_secret_value():
        found["postmark"] = partial(postmark.read, secret=secret)
    if secret := own.brevo_auth.get_secret_value():
        found["brevo"] = partial(brevo.read, secret=secret)
    return found
