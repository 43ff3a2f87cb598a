"""A newsletter and a relay, as the tests of the command line have them."""

from tests.cli.conftest import folder, run
from tests.cli.test_send import relay

__all__ = ["folder", "relay", "run"]
