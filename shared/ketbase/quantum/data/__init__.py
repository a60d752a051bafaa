"""Samples to train on: read from where they lie, divided into parts, and made ready for a circuit."""
