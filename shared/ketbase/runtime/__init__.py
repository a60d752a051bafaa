"""What stands between the services and the world: settings, wiring, HTTP, errors, observability."""
