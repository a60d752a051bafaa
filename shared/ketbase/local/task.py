"""How a step of a local workflow fails."""


class TaskError(Exception):
    """A step's function raised: `error_type` is what Retry and Catch match."""

    def __init__(self, error_type: str, message: str):
        super().__init__(message)
        self.error_type = error_type
