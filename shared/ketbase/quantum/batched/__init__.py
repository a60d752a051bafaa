"""The batched statevector engine: a circuit's outputs, and the gradients of its parameters, for many samples."""
