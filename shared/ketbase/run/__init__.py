"""Runs: one circuit, executed with shots on one backend, as a job."""
