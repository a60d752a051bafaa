"""Training classifiers on circuits: templates, losses, gradients, optimizers, kernels, and how good they are."""
