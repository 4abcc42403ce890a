"""Parts of addresses whose form decides what an address means."""

from __future__ import annotations

from flows.api.views.execution_actions import ACTIONS


class ExecutionId:
    """
    An id of an execution: 16 or more letters and digits. Shorter first parts, or ones with dots, name a namespace.

    Source: REST API, 1.
    """

    regex = "[0-9A-Za-z]{16,}"

    def to_python(self, value: str) -> str:
        """Return the part as it is."""
        return value

    def to_url(self, value: str) -> str:
        """Return the id as it is."""
        return value


class ActionWord:
    """The name of an action that POST asks for."""

    regex = "(?:" + "|".join(sorted(ACTIONS, key=len, reverse=True)) + ")"

    def to_python(self, value: str) -> str:
        """Return the word as it is."""
        return value

    def to_url(self, value: str) -> str:
        """Return the word as it is."""
        return value
