"""The doctor: what is wrong with identity, relay, list and this machine, why it matters, and how to mend it.

`examine(config)` runs every examination in turn; each is a function of its own that returns diagnoses. It changes
nothing, and sends nothing but the one message of `--probe`.
"""
