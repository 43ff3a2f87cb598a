"""Delivering an issue from many processes, on any number of hosts."""
