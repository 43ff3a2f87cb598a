"""Checks: one function a rule, listed in one tuple."""
