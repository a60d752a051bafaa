"""The audit log: who did what, when and from where; append-only, sealed into a chain of hashes."""
