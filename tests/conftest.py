"""What all tests share: a PostgreSQL, and how property tests run.

These look for new cases at a desk and repeat the same ones in CI, where red means: the change is wrong.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.postgres import PostgresServer

SLOW = [HealthCheck.too_slow]  # how fast a busy machine is says nothing of the code
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60, suppress_health_check=SLOW)
settings.register_profile("desk", deadline=None, max_examples=60, suppress_health_check=SLOW)
settings.load_profile("ci" if os.environ.pop("CI", "") else "desk")  # a send in a CI job is another one: see cli.ci


@pytest.fixture(scope="session")
def postgres() -> Iterator["PostgresServer"]:
    """A real server, for all tests of this process."""
    from tests.postgres import programs, running

    bin_ = programs()
    if bin_ is None:
        pytest.skip("PostgreSQL is not installed")
    with running(bin_) as server:
        yield server
