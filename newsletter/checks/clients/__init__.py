"""What mail clients support: caniemail's data, what a message uses, and what is lost where it is missing."""
