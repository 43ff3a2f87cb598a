"""Checks: what is wrong with a message before anybody gets it. One function a rule, listed in the tuple CHECKS.

`check_message(sample_of(message, post, config, template))` looks at the message alone, and is pure. What asks others,
the links' servers and the spam filter, is asked for by name: `check_links`, `check_spam`.
"""

from newsletter.checks.finding import Finding, Severity
from newsletter.checks.message import CHECKS, check_message
from newsletter.checks.sample import DEFAULT_CLIENTS, Sample, sample_of

__all__ = ["CHECKS", "DEFAULT_CLIENTS", "Finding", "Sample", "Severity", "check_message", "sample_of"]
