"""The circuits that an experiment executes, and what their counts say of its observables."""
