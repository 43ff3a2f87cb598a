"""All that is found about the message of a post: the pure checks, the spam filter, and on demand the network."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from newsletter.checks.finding import Finding
from newsletter.checks.rules.link_status import check_links
from newsletter.checks.rules.spam import check_spam
from newsletter.checks.rules.unsubscribe_answer import check_unsubscribe
from newsletter.checks.run import check_message, in_order
from newsletter.checks.sample import Sample, sample_of

if TYPE_CHECKING:
    from newsletter.audience.subscriber import Subscriber
    from newsletter.compose.composer import Composed
    from newsletter.config.settings import Config


async def find_findings(
    composed: "Composed", reader: "tuple[Subscriber, Sequence[str] | None] | None" = None, *, links: bool = False
) -> list[Finding]:
    """Every finding about the message that `reader` gets, by default the first subscriber; `links` asks the network."""
    from newsletter.audience.source import one_subscriber

    subscriber, columns = reader or one_subscriber(composed.config)
    message = composed.writer(columns).envelope(subscriber).message
    sample = sample_of(message, composed.page, composed.config, composed.template, now=datetime.now(UTC))
    findings = check_message(sample)
    findings += await check_spam(sample, composed.config.checks.spamd)
    if links:
        findings += await check_links(sample)
        findings += await _check_unsubscribe(composed.config, sample)
    return in_order(findings, sample.sources.post_name)


async def _check_unsubscribe(config: "Config", sample: Sample) -> list[Finding]:
    """What is wrong with what answers at `[unsubscribe] url`; that it answered is remembered for the plan of `send`."""
    from newsletter.audience.token import load_secret
    from newsletter.state.unsubscribe_answer import remember_answer

    if not config.unsubscribe.url or "unsubscribe-answer" in sample.ignore:
        return []
    found = await check_unsubscribe(sample, config.unsubscribe.url, load_secret(config, to_look=True))
    if not found:
        remember_answer(config)
    return found
