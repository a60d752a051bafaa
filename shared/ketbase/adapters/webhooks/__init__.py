"""The webhooks port over HTTPS."""
