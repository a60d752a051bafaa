"""Backends: where circuits run, what each can do, and how each is doing."""
