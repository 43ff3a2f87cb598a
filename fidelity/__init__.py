"""The judge of Markdown: posts through us and through the real generators, compared by structure. See run.py."""
