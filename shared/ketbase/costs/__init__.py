"""What work costs: the prices, and what a job is expected to cost."""
