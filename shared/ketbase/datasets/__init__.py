"""Data to train on: what comes with Ketbase, what it makes up, and what people upload."""
