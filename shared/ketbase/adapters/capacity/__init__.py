"""The capacity port over Lambda's provisioned concurrency, and in one process."""
