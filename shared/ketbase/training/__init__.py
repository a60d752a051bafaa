"""Training of quantum models: submitting it, its workflow, and what it gives."""
