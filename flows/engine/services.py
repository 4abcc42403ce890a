"""What the engine asks of the layers above it, handed in as values so that no import points upwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows.plugin_api.context import Platform


@dataclass(frozen=True, slots=True)
class Services:
    """
    Attributes:
        make_platform: namespace and flow id of the running flow to what core tasks may do with other objects.
        announce: tells everything that listens to an execution (flow triggers, schedule locks) that it changed; called
            outside any transaction with the execution's id, idempotent.
    """

    make_platform: Callable[[str, str], Platform]
    announce: Callable[[str, datetime], None]


@dataclass(frozen=True, slots=True)
class ExecutionUpdate:
    """What an updating task wants changed in its own execution; None and empty mean nothing."""

    labels: Mapping[str, str] | None = None
    variables: Mapping[str, Any] | None = None
    unset_variables: tuple[str, ...] = ()
    exit_state: str | None = None
