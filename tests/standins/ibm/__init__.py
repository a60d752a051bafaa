"""IBM Cloud as far as IBM Quantum needs it: sign-in, instances, and the REST API with the SDK's local mode behind it."""
