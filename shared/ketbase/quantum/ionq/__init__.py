"""IonQ's machines and simulators over version 0.4 of its HTTP API."""
