"""The workflows port on this machine and over Step Functions."""
