"""What became of the latest issues, by the recipients' domains: read-only, for the doctor."""

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from newsletter.delivery.ledger.report import reading
from newsletter.state.schema import FAILED, SENT, deliveries, issues, suppressions


@dataclass
class Outcome:
    """How the issues looked at fared at one domain."""

    sent: int = 0
    failed: int = 0  # refused while they were sent
    bounced: int = 0  # came back afterwards
    complaints: int = 0


def outcomes_by_domain(engine: Engine, issues_most: int) -> tuple[list[str], dict[str, Outcome]]:
    """The ids of the latest issues, and the outcome at each domain over all of them."""
    found: dict[str, Outcome] = defaultdict(Outcome)
    key = deliveries.c.key
    if engine.dialect.name == "postgresql":
        domain = func.split_part(key, "@", 2)
    else:
        domain = func.substr(key, func.instr(key, "@") + 1)
    with reading(engine) as connection:
        latest = connection.execute(
            select(issues.c.number, issues.c.id).order_by(issues.c.created.desc()).limit(issues_most)
        ).all()
        numbers, ids = [row.number for row in latest], [row.id for row in latest]
        counts = (
            select(domain, deliveries.c.state, func.count())
            .where(deliveries.c.issue.in_(numbers), deliveries.c.state.in_((SENT, FAILED)))
            .group_by(domain, deliveries.c.state)
        )
        for name, state, count in connection.execute(counts):
            if state == SENT:
                found[name].sent += count
            else:
                found[name].failed += count
        came_back = select(suppressions.c.email, suppressions.c.reason).where(
            suppressions.c.issue.in_(ids), suppressions.c.reason.in_(("complaint", "bounce"))
        )
        for email, reason in connection.execute(came_back):
            name = (email or "").rpartition("@")[2].lower()
            if reason == "complaint":
                found[name].complaints += 1
            else:
                found[name].bounced += 1
    return ids, dict(found)
