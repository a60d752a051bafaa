"""The one-machine stack: everything that AWS does for Ketbase in the cloud, in one process."""
