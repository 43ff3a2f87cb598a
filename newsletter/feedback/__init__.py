"""What comes back: bounces, complaints, mail that asks to leave or to join; from a mailbox, files or webhooks."""
