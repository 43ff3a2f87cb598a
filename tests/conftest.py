"""Property tests look for new cases at a desk and repeat the same ones in CI, where red means: the change is wrong."""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("desk", deadline=None)
settings.load_profile("ci" if os.environ.pop("CI", "") else "desk")  # a send in a CI job is another one: see cli.job
