"""The batched statevector engine: a circuit's outputs, and the gradients of all its parameters, for many samples."""
