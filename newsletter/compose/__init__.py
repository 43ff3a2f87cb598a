"""Composing: a post becomes an issue, an issue and a subscriber become an envelope. Pure: no network or clock."""
