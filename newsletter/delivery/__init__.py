"""The delivery engine: plan, ledger, send loop, transport, pace, and the verdict on a reply."""
