"""The records port over SQLite and over DynamoDB."""
