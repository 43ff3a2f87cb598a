"""The test inbox's page and API."""
