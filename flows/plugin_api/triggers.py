"""What a trigger or condition plugin is: property models with a family, and for polling and realtime ones the work itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from flows.plugin_api.context import RunContext
from flows.plugin_api.plugin_type import OutputClass, PluginType


class TriggerType(PluginType):
    """
    A trigger. `family` is `schedule`, `polling`, `realtime`, `flow` or `webhook`.

    Schedule, flow and webhook triggers are evaluated by the platform itself, so their classes only declare properties.
    """

    kind = "trigger"
    family: ClassVar[str]
    Output: ClassVar[OutputClass] = None


@dataclass(frozen=True, slots=True)
class PollResult:
    """
    What one poll found.

    `variables` become `trigger.*` of one execution; None means that nothing starts. `state` (JSON, at most 64 KiB) replaces
    the stored state in the same transaction that creates the execution; None keeps it.
    """

    variables: Mapping[str, Any] | None = None
    state: Mapping[str, Any] | None = None


class PollingTrigger(TriggerType):
    """A trigger that a worker asks every `interval`, one poll at a time. `Props` must declare `interval`."""

    family = "polling"

    def poll(self, context: RunContext, props: Any, state: Mapping[str, Any]) -> PollResult:
        """Look once and say what was found. Raises TaskFailure when the look itself failed; the next poll comes as planned."""
        raise NotImplementedError

    def kill(self) -> None:
        """Stop a running `poll` as soon as possible; idempotent, at most five seconds."""


class RealtimeTrigger(TriggerType):
    """A trigger that listens for as long as it is enabled and starts one execution per event."""

    family = "realtime"

    def listen(self, context: RunContext, props: Any, emit: Callable[[Mapping[str, Any], str | None], None]) -> None:
        """
        Listen until `context.cancelled` is set. `emit(variables, dedup_key)` returns when the execution row is committed;
        only then may the event be acknowledged (at least once).
        """
        raise NotImplementedError


class ConditionType(PluginType):
    """A legacy condition of a trigger. `for_schedules` tells whether it may stand on a Schedule trigger."""

    kind = "condition"
    for_schedules: ClassVar[bool] = False


class RunnerType(PluginType):
    """Base of the property models of task runners, the nested objects that say where a script runs."""

    kind = "runner"

    def remove_leftovers(self, config: Callable[[str, Any], Any], list_open: Callable[[Collection[str]], Collection[str]]) -> int:
        """
        Remove what lost workers left behind at this place, such as containers, and return how much it was.

        A worker calls this every minute. `config` reads a server-level setting, `list_open` tells which of some task runs are not
        over: what belongs to them is left alone. Idempotent. Raises TaskFailure when the place cannot be reached.
        """
        return 0
