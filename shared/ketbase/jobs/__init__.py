"""Jobs: the one lifecycle of everything that takes time."""
