"""Markdown to HTML as the post's generator reads it."""
