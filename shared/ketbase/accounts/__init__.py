"""Accounts: organisations, their users and keys, and who is calling."""
