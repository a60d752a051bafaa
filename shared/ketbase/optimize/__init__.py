"""Optimising circuits for a backend, as a job."""
