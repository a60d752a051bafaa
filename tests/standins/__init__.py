"""Providers as far as Ketbase needs them, each a process of its own that really simulates."""
