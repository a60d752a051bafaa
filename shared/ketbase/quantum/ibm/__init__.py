"""IBM Quantum's machines through `qiskit-ibm-runtime`, whose REST API is of 2026-04-15."""
