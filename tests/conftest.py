"""Property tests look for new cases at a desk and repeat the same ones in CI, where red means: the change is wrong."""

import os

from hypothesis import HealthCheck, settings

SLOW = [HealthCheck.too_slow]  # how fast a busy machine is says nothing of the code
settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=SLOW)
settings.register_profile("desk", deadline=None, suppress_health_check=SLOW)
settings.load_profile("ci" if os.environ.pop("CI", "") else "desk")  # a send in a CI job is another one: see cli.ci
