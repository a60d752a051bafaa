"""What the services need from the outside: one Protocol per port, with its vocabulary beside it."""
