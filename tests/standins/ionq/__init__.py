"""IonQ's cloud on this machine: version 0.4 of its HTTP API, with simulators behind it and faults on request."""
