"""State vectors of circuits: kept, and found again by their fidelity."""
