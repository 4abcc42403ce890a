"""The errors that our own code raises towards its callers. Every one carries a stable code and says what to do."""

from __future__ import annotations

from collections.abc import Sequence

from flows.primitives.problems import Problem


class FlowsError(Exception):
    """Something that the caller can understand and act on went wrong."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class NotFoundError(FlowsError):
    """The named object does not exist, or the caller may not see it."""

    code = "not-found"


class ForbiddenError(FlowsError):
    """The caller may not do this to the named object."""

    code = "forbidden"


class ConflictError(FlowsError):
    """The object exists but is in a state that does not allow the request."""

    code = "conflict"


class InvalidError(FlowsError):
    """
    What the caller sent is wrong; `problems` lists every fault found, never empty when a document or inputs were read.
    """

    code = "invalid"

    def __init__(self, message: str, *, code: str | None = None, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message, code=code)
        self.problems = tuple(problems)


class TooLargeError(InvalidError):
    """A document, body or value is larger than the limit that the message names."""

    code = "too-large"
