"""The test inbox: an SMTP server that keeps what it is sent, to be looked at."""
