"""Compiling a circuit for a machine as well as the given time allows, and proving the result."""
