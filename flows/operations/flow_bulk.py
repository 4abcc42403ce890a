"""Deleting and switching many flows, each on its own. `flow_bundles` saves many at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flows.operations.flow_rewriting import set_flow_disabled
from flows.operations.flows import delete_flow
from flows.operations.many import ManyDone, run_on_each
from flows.primitives.rights import Action, Resource

FlowName = tuple[str, str]


def delete_flows(names: Sequence[FlowName], *, at: datetime, actor: str = "") -> ManyDone[FlowName]:
    """Delete the flows with these (namespace, id) pairs, each on its own; what cannot be deleted is told. One act."""
    return run_on_each("flow.delete", Action.DELETE, Resource.FLOW, names, lambda name: delete_flow(*name, at=at, actor=actor))


def set_flows_disabled(names: Sequence[FlowName], *, disabled: bool, at: datetime, actor: str = "") -> ManyDone[FlowName]:
    """Switch the flows with these (namespace, id) pairs off or on, each on its own; those that change are told. One act."""

    def switch(name: FlowName) -> bool:
        return set_flow_disabled(*name, disabled=disabled, at=at, actor=actor) is not None

    return run_on_each("flow.disable" if disabled else "flow.enable", Action.UPDATE, Resource.FLOW, names, switch)
