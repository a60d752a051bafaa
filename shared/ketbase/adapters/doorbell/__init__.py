"""The doorbell port within one process and over SQS."""
