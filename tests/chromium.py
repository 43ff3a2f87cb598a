"""Chromium for the tests: the one without windows where it is installed, at half the processor time."""

import shutil

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))), None
)
