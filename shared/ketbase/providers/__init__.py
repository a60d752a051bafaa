"""Providers that work elsewhere: their backends, their breakers, and the jobs that are open there."""
