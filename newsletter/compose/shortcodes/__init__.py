"""Hugo's shortcodes."""
