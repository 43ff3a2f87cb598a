"""All SQL of delivery: plan, claim, intent, reply, report."""
