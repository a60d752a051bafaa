"""Trained models: loaded and asked, and written for others."""
