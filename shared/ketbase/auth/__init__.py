"""Signing in: passwords, tokens, a second factor, and other identity providers."""
