"""Why a system did not start, in words that say what to do."""

from __future__ import annotations


class StartError(Exception):
    """
    The system cannot start or cannot go on.

    Attributes:
        code: stable kebab-case code.
        message: which part, what is wrong, what to do.
        exit_status: status of the command, never 0.
    """

    def __init__(self, code: str, message: str, *, exit_status: int = 1) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.exit_status = exit_status

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


class StopRequested(Exception):  # noqa: N818 (a wish, not an error)
    """Somebody asked the system to stop while it was starting."""
