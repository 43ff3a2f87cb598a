"""Inline Markdown: what stands in a line of text."""
