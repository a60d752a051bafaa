"""The quantum room: the only one that imports numpy, scipy, Qiskit or a simulator."""
