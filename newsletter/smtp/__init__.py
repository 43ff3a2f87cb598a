"""The protocol: relays, connections, transactions, replies, rates (RFC 5321)."""
