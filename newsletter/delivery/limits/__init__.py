"""How fast, and over how many connections: counted by one sender, or by all that share a state."""
