"""The names that a property sees while it is rendered. Outputs and states are loaded when an expression asks for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from flows.engine import transitions
from flows.engine.board import Board, Run
from flows.engine.templates import get_graph
from flows.language.inputs import to_variables
from flows.models.encryption import decrypt_envelope

_Rows = list[tuple[list[str], dict[str, Any]]]


class ExecutionVariables:
    """
    The variables of one execution during one visit or attempt.

    `for_run` gives the full map for a task run, `for_execution` the one for flow outputs, checks and the like. Values that
    cost a query are lazy mappings: a key that is never asked for is never read.
    """

    def __init__(self, board: Board, *, mask: Callable[[str], None]) -> None:
        """`mask` is told every SECRET input that is opened, so that no log line shows it."""
        self._board = board
        self._mask = mask
        self._shared: dict[str, Any] | None = None
        self.outputs = OutputMap(board)

    def for_execution(self) -> dict[str, Any]:
        """Return the variables that do not depend on a task run. The caller may add to the map."""
        if self._shared is None:
            self._shared = self._build_shared()
        root = self._board.root
        variables = dict(self._shared)
        variables["labels"] = nest_labels(root.labels)
        flow_variables = self._board.graph.flow.variables
        if root.progress.get("ownVariables"):
            variables["vars"] = root.variables
        elif flow_variables or root.variables:
            variables["vars"] = merge_deep(flow_variables, root.variables)
        variables["execution"] = self._describe_execution()
        return variables

    def for_run(self, run: Run) -> dict[str, Any]:
        """Return the variables of a task run. The caller may add to the map."""
        board = self._board
        variables = self.for_execution()
        task = run.node.task if run.node else None
        variables["task"] = {"id": run.task_id, "type": task.type if task else ""}
        taskrun: dict[str, Any] = {"id": run.id, "startDate": run.created_at, "attemptsCount": count_ended_attempts(run)}
        if run.parent_id:
            taskrun["parentId"] = run.parent_id
        if run.value is not None:
            taskrun["value"] = run.value
        if run.iteration is not None:
            taskrun["iteration"] = run.iteration
        repeated = self._find_repetition(run)
        if repeated is not None:
            taskrun.setdefault("iteration", repeated)
        variables["taskrun"] = taskrun
        parents = [entry for ancestor in board.ancestors(run) if (entry := self._describe_parent(ancestor)) is not None]
        variables["parents"] = parents
        if parents:
            variables["parent"] = parents[0]
        return variables

    def _build_shared(self) -> dict[str, Any]:
        root, flow = self._board.root, self._board.graph.flow
        shared: dict[str, Any] = {
            "flow": {"id": root.flow_id, "namespace": root.namespace, "revision": root.flow_revision, "tenantId": "main"},
            "inputs": to_variables(flow.inputs, root.inputs, self._open_secret),
            "outputs": self.outputs,
            "tasks": TaskStateMap(self._board),
            "envs": read_environment(),
            "globals": {},
            "kestra": {"environment": "", "url": ""},
        }
        if root.trigger:
            trigger = dict(root.trigger.get("variables") or {})
            trigger["_context"] = {"id": root.trigger.get("id"), "type": root.trigger.get("type")}
            shared["trigger"] = trigger
            if "date" in trigger:
                shared["schedule"] = {key: trigger[key] for key in ("date", "next", "previous") if key in trigger}
        if root.loop:
            shared["item"] = root.loop.get("item", {})
        return shared

    def _open_secret(self, envelope: Any) -> str:
        text = decrypt_envelope(envelope)
        self._mask(text)
        return text

    def _describe_execution(self) -> dict[str, Any]:
        root = self._board.root
        described: dict[str, Any] = {
            "id": root.id,
            "startDate": root.created_at,
            "originalId": root.original_id,
            "state": root.state.value,
        }
        if root.ended_at:
            described["endDate"] = root.ended_at
        described["outputs"] = root.outputs or {}
        return described

    def _describe_parent(self, run: Run) -> dict[str, Any] | None:
        """An ancestor with neither a value nor outputs is left out, so that positions are not nesting depths."""
        described: dict[str, Any] = {}
        if run.value is not None:
            described["taskrun"] = {"value": run.value, "iteration": run.iteration}
        if run.outputs:
            described["outputs"] = run.outputs
        if not described:
            return None
        described["task"] = {"id": run.task_id}
        return described

    def _find_repetition(self, run: Run) -> int | None:
        for ancestor in self._board.ancestors(run):
            if ancestor.node is not None and ancestor.node.arrangement == "loop-until":
                return int((ancestor.progress or {}).get("iteration", 0))
        return None


class OutputMap(Mapping[str, Any]):
    """
    `outputs`: task id to its outputs; for a task inside loops, value to value to outputs.

    Looks at the board first and asks the database for what is not there. Inside a Loop iteration the outputs of the calling
    execution show through.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._kept: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}
        self._inherited: Mapping[str, Any] | None = None

    def keep(self, run: Run) -> None:
        """Remember the outputs of a run that leaves the board."""
        if transitions.has_outputs(run.state, run.outputs):
            self._kept[run.task_id, tuple(run.value_path)] = run.outputs or {}

    def forget_all(self) -> None:
        """Forget what was read: rows were removed."""
        self._kept.clear()

    def __getitem__(self, task_id: str) -> Any:
        node = self._board.graph.get(task_id)
        if node is None:
            return self._inherit()[task_id]
        if node.value_depth:
            return IterationOutputs(self, task_id, (), node.value_depth)
        found = self.find(task_id, ())
        if found is None:
            return self._inherit()[task_id]
        return found

    def find(self, task_id: str, path: tuple[str, ...]) -> dict[str, Any] | None:
        """Return the outputs of the run of a task with exactly these iteration values, None when it has none."""
        kept = self._kept.get((task_id, path))
        if kept is not None:
            return kept
        for run in self._board.runs.values():
            if run.task_id == task_id and tuple(run.value_path) == path:
                if not transitions.has_outputs(run.state, run.outputs):
                    return None
                return run.outputs or {}
        rows = transitions.read_outputs(self._board.root.id, task_id, path)
        if not rows:
            return None
        outputs = rows[-1][1]
        self._kept[task_id, path] = outputs
        return outputs

    def list_rows(self, task_id: str) -> _Rows:
        """Return (value path, outputs) of every run of a task, those of the board included."""
        rows = {tuple(path): outputs for path, outputs in transitions.read_outputs(self._board.root.id, task_id, None)}
        rows.update({path: outputs for (other, path), outputs in self._kept.items() if other == task_id})
        for run in self._board.runs.values():
            if run.task_id == task_id and transitions.has_outputs(run.state, run.outputs):
                rows[tuple(run.value_path)] = run.outputs or {}
        return [(list(path), outputs) for path, outputs in rows.items()]

    def __iter__(self) -> Iterator[str]:
        for task_id in self._board.graph.nodes:
            if self.list_rows(task_id):
                yield task_id

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _inherit(self) -> Mapping[str, Any]:
        root = self._board.root
        if self._inherited is None:
            self._inherited = {}
            if root.loop and root.caller_execution_id:
                self._inherited = _outputs_of_caller(root.caller_execution_id, root.caller_task_run_id)
        return self._inherited


def _outputs_of_caller(execution_id: str, run_id: str | None) -> Mapping[str, Any]:
    root = transitions.read_root(execution_id, lock=False)
    if root is None:
        return {}
    board = Board(root, get_graph(root), at=root.created_at)
    if run_id:
        transitions.read_chain(board, run_id)
    return OutputMap(board)


class IterationOutputs(Mapping[str, Any]):
    """The outputs of a task inside loops, one level of values at a time."""

    def __init__(self, outputs: OutputMap, task_id: str, path: tuple[str, ...], depth: int) -> None:
        self._outputs, self._task_id, self._path, self._depth = outputs, task_id, path, depth

    def __getitem__(self, value: str) -> Any:
        path = (*self._path, str(value))
        if len(path) < self._depth:
            return IterationOutputs(self._outputs, self._task_id, path, self._depth)
        found = self._outputs.find(self._task_id, path)
        if found is None:
            raise KeyError(value)
        return found

    def __iter__(self) -> Iterator[str]:
        seen: dict[str, None] = {}
        length = len(self._path)
        for path, _ in self._outputs.list_rows(self._task_id):
            if tuple(path[:length]) == self._path and len(path) > length:
                seen[path[length]] = None
        return iter(seen)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class TaskStateMap(Mapping[str, Any]):
    """`tasks`: task id to `{state}`, or for iterated tasks value to value to `{state}`. Read when asked for, one task's rows."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def _build(self, wanted: str | None = None) -> dict[str, Any]:
        states: dict[str, Any] = {}
        rows = transitions.read_task_states(self._board.root.id, wanted)
        known = [run for run in self._board.runs.values() if wanted in (None, run.task_id)]
        rows += [(run.task_id, run.value_path, run.state.value) for run in known]
        for task_id, path, state in rows:
            level = states.setdefault(task_id, {})
            for value in path:
                level = level.setdefault(value, {})
            level["state"] = state
        return states

    def __getitem__(self, task_id: str) -> Any:
        return self._build(task_id)[task_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._build())

    def __len__(self) -> int:
        return len(self._build())


def count_ended_attempts(run: Run) -> int:
    """Return how many attempts were recorded before the one that runs now."""
    return sum(1 for attempt in run.attempts if attempt.get("endDate"))


def nest_labels(labels: list[dict[str, str]]) -> dict[str, Any]:
    """Return labels as a map in which dots are levels; the first of equal keys wins."""
    nested: dict[str, Any] = {}
    for label in labels:
        level = nested
        *parents, last = label["key"].split(".")
        for part in parents:
            below = level.setdefault(part, {})
            if not isinstance(below, dict):
                break
            level = below
        else:
            level.setdefault(last, label["value"])
    return nested


def merge_deep(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `over` laid over `under`, maps merged level by level."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge_deep(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


@cache
def read_environment() -> Mapping[str, str]:
    """Return the server's variables for `envs`: prefix `ENV_` (or the older `KESTRA_`) cut off, names in lower case."""
    found = {name[7:].lower(): value for name, value in os.environ.items() if name.startswith("KESTRA_")}
    found.update({name[4:].lower(): value for name, value in os.environ.items() if name.startswith("ENV_")})
    return found
