"""The public pages: sign-up, confirm, preferences, unsubscribe, view in browser, the archive."""
