"""What the steps of all pipelines share: the job they work for, what it may cost, its files, and how they fail."""
