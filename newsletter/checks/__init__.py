"""Checks: what is wrong with a message before anybody gets it. One function a rule, listed in the tuple CHECKS.

`check_message(sample_of(message, page, config, template))` looks at the message alone, and is pure. What asks others,
the links' servers and the spam filter, is asked for by name: `check_links`, `check_spam`.
"""

from newsletter.checks.finding import Finding, Severity
from newsletter.checks.rules.client_support import FeatureSupport, client_support
from newsletter.checks.rules.link_status import LinkStatus, check_links
from newsletter.checks.rules.spam import SpamRule, SpamScore, check_spam, spam_score
from newsletter.checks.rules.unsubscribe_answer import check_unsubscribe
from newsletter.checks.run import ASKING, CHECKS, check_message, in_order
from newsletter.checks.sample import DEFAULT_CLIENTS, Sample, sample_of

__all__ = [
    "ASKING", "CHECKS", "DEFAULT_CLIENTS", "FeatureSupport", "Finding", "LinkStatus", "Sample", "Severity", "SpamRule",
    "SpamScore", "check_links", "check_message", "check_spam", "check_unsubscribe", "client_support", "in_order",
    "sample_of", "spam_score",
]  # fmt: skip
