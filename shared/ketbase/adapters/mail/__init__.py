"""The mail port over Amazon SES, and over a folder."""
