"""The inputs of a text that need not be saved: what they come to while somebody still writes them. Nothing is stored or sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows.engine.catalog import LoadedFlow, find_current
from flows.engine.environment import FlowEnvironment
from flows.engine.graph import build_graph
from flows.engine.starting import list_failing_checks, resolve_for
from flows.expressions import ExpressionError, Kind
from flows.language.flow import Check, Flow
from flows.language.inputs import ResolvedInputs
from flows.primitives.callers import current_caller
from flows.primitives.rights import Action, Resource

HIDDEN = "••••••"


@dataclass(frozen=True, slots=True)
class InputPreview:
    """The resolved inputs of a text, and the checks of the flow that do not hold for them."""

    resolved: ResolvedInputs
    checks: Sequence[Check] = ()


class _QuietEnvironment(FlowEnvironment):
    """
    What a form may show while its flow is being written: only what its reader may read, secrets as dots, nothing of other hosts.
    """

    def __init__(self, namespace: str, *, at: datetime) -> None:
        super().__init__(namespace, at=at)
        self._own = namespace

    def kv(self, key: str, namespace: str | None = None, error_on_missing: bool = True) -> Any:
        """Return a stored value of a namespace whose values the reader may see."""
        self._check(Resource.KVSTORE, namespace)
        return super().kv(key, namespace, error_on_missing)

    def read_file(self, path: str, namespace: str | None = None) -> bytes:
        """Return the content of a namespace file that the reader may see."""
        self._check(Resource.FILE, namespace)
        return super().read_file(path, namespace)

    def file_size(self, path: str, namespace: str | None = None) -> int:
        """Return the size of a namespace file that the reader may see."""
        self._check(Resource.FILE, namespace)
        return super().file_size(path, namespace)

    def file_exists(self, path: str, namespace: str | None = None) -> bool:
        """Tell whether a file exists, in a namespace whose files the reader may see."""
        self._check(Resource.FILE, namespace)
        return super().file_exists(path, namespace)

    def _check(self, resource: Resource, namespace: str | None) -> None:
        place = namespace or self._own
        if not current_caller().may(Action.READ, resource, place):
            what = "values" if resource is Resource.KVSTORE else "files"
            raise ExpressionError(Kind.FORBIDDEN, f"You may not read the {what} of {place}, so they are not shown here.")

    def secret(self, key: str, namespace: str | None = None, subkey: str | None = None) -> str:
        """Return dots for any secret, so that no name can be tried out here."""
        return HIDDEN

    def http(self, request: Mapping[str, Any]) -> Any:
        """Refuse: a request would be sent with each pause in typing."""
        raise ExpressionError(Kind.FORBIDDEN, "Other hosts are asked when the flow starts, not while it is being written.")


def preview_inputs(flow: Flow, entered: Mapping[str, Any], *, at: datetime) -> InputPreview | None:
    """
    Return what a start would make of entered inputs, or None for who may not both change and start the flow.

    Expressions read values and files of the namespace, so this needs what a playground run needs.

    Args:
        flow: of a text that was checked; it need not be saved.
        entered: by dotted id, as `start_execution` takes it; defaults fill the rest.
        at: aware UTC moment of the preview.
    """
    caller = current_caller()
    wanted = ((Action.UPDATE, Resource.FLOW), (Action.CREATE, Resource.EXECUTION))
    if not all(caller.may(action, resource, flow.namespace) for action, resource in wanted):
        return None
    row = find_current(flow.namespace, flow.id)
    loaded = LoadedFlow(flow, row.revision if row is not None else 1, "", build_graph(flow))
    environment = _QuietEnvironment(flow.namespace, at=at)
    resolved = resolve_for(loaded, entered, execution_id="preview", at=at, environment=environment, keeps_files=False)
    return InputPreview(resolved, list_failing_checks(loaded, resolved.values, at, environment=environment))
