"""newsletter.toml and the environment, and what is wrong with a setting."""
