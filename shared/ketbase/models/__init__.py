"""Trained models: the registry, their cards, and serving them."""
