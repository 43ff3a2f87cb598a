"""What providers tell by HTTP: a file each for its signature and its words; none knows the network or the state."""
