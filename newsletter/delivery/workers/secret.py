"""Whether a worker makes the same tokens as whoever planned an issue: by a keyed digest of the secret."""

from newsletter.audience.token import digest, load_secret
from newsletter.config.settings import Config


def secret_digest(config: Config, issue_id: str) -> str:
    """What stands in the state beside an issue; another secret has another one."""
    return digest(load_secret(config), "worker", issue_id)
