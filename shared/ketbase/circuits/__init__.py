"""Circuits: kept, listed, and turned into text and pictures."""
