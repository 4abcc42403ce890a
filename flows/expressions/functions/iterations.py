"""Functions that find outputs and states of iterated tasks in the variables. Source: expressions, 3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flows.expressions.arguments import bad_argument, integer_argument, text_argument
from flows.expressions.library import register_function
from flows.expressions.lookup import MISSING, find_item
from flows.expressions.scope import Render
from flows.expressions.values import describe_type


def _variable(render: Render, *path: str) -> Any:
    """Return a nested variable, or None where any part of the path is missing."""
    value: Any = render.variables
    for key in path:
        value = find_item(value, key)
        if value is MISSING:
            return None
    return value


def _parents(render: Render) -> list[Any]:
    """Return the ancestors of the task run, outermost first."""
    parents = _variable(render, "parents")
    return list(parents)[::-1] if isinstance(parents, (list, tuple)) else []


def _value_of(ancestor: Any) -> Any:
    taskrun = find_item(ancestor, "taskrun")
    value = MISSING if taskrun is MISSING else find_item(taskrun, "value")
    return None if value is MISSING else value


def _step_into(outputs: Any, values: Iterable[Any], task_id: str) -> Any:
    for value in values:
        found = find_item(outputs, value)
        if found is MISSING:
            raise bad_argument(f'There is no output for the value "{value}" in the outputs of {task_id}.')
        outputs = found
    return outputs


def _ancestor_values(render: Render) -> list[Any]:
    return [value for value in map(_value_of, _parents(render)) if value is not None]


@register_function("currentEachOutput", "outputs", required=1)
def get_current_each_output(render: Render, outputs: Any) -> Any:
    """The outputs of a task for the current values of all loops around this task."""
    if not isinstance(outputs, Mapping):
        raise bad_argument(f'The argument "outputs" must be the outputs of a task, got {describe_type(outputs)}.')
    values = _ancestor_values(render)
    own = _variable(render, "taskrun", "value")
    return _step_into(outputs, values if own is None else [*values, own], "the task")


@register_function("loopOutputs", "outputs", "id", required=2)
def list_loop_outputs(render: Render, outputs: Any, output_id: Any) -> list[Any]:
    """One declared output of every iteration of a Loop, as a list in the order of the iterations."""
    if not isinstance(outputs, (list, tuple)):
        raise bad_argument(f'The argument "outputs" must be the "outputs" of a Loop, got {describe_type(outputs)}.')
    name = text_argument("id", output_id)
    found: list[Any] = []
    for row in outputs:
        render.budget.tick()
        given = find_item(row, "outputs")
        value = MISSING if given is MISSING else find_item(given, name)
        if value is MISSING:
            raise bad_argument(
                f'Iteration {len(found)} of the Loop has no output "{name}": declare it in the "outputs" of the Loop.'
            )
        found.append(value)
    return found


@register_function("tasksWithState", "state", required=1)
def list_tasks_with_state(render: Render, state: Any) -> list[dict[str, Any]]:
    """The task runs in a state, as a list of taskId, state and value."""
    wanted = text_argument("state", state).upper()
    tasks = _variable(render, "tasks")
    found: list[dict[str, Any]] = []
    if isinstance(tasks, Mapping):
        for task_id, entry in tasks.items():
            _collect_states(render, task_id, entry, wanted, None, found)
    return found


def _collect_states(render: Render, task_id: Any, entry: Any, wanted: str, value: Any, found: list[dict[str, Any]]) -> None:
    render.budget.tick()
    if not isinstance(entry, Mapping):
        return
    state = find_item(entry, "state")
    if isinstance(state, str):
        if state.upper() == wanted:
            run = {"taskId": task_id, "state": str(state)}
            found.append(run if value is None else {**run, "value": value})
        return
    for inner_value, inner in entry.items():
        _collect_states(render, task_id, inner, wanted, inner_value, found)


@register_function("iterationOutput", "taskId", "iteration")
def get_iteration_output(render: Render, task_id: Any = None, iteration: Any = None) -> Any:
    """The value that a task put out in an iteration: by default this task in the previous one."""
    name = _variable(render, "task", "id") if task_id is None else text_argument("taskId", task_id)
    if iteration is None:
        current = _variable(render, "taskrun", "iteration")
        if current is None:
            raise bad_argument("iterationOutput() was used outside of an iteration. Name the iteration, counted from 0.")
        iteration = integer_argument("taskrun.iteration", current) - 1
    index = integer_argument("iteration", iteration)
    outputs = find_item(_variable(render, "outputs"), name)
    if outputs is MISSING:
        raise bad_argument(f'The task "{name}" has no outputs.')
    outputs = _step_into(outputs, _ancestor_values(render), f'the task "{name}"')
    runs = list(outputs.values()) if isinstance(outputs, Mapping) else []
    if not 0 <= index < len(runs):
        raise bad_argument(f'The task "{name}" has {len(runs)} iterations, so there is no iteration {index}.')
    value = find_item(runs[index], "value")
    if value is MISSING:
        raise bad_argument(f'Iteration {index} of the task "{name}" has no output "value".')
    return value


@register_function("parentOutput", "index")
def get_parent_output(render: Render, index: Any = None) -> Any:
    """The outputs of the direct parent, or of the ancestor counted from the outermost."""
    parents = _parents(render)
    position = len(parents) - 1 if index is None else integer_argument("index", index)
    if not 0 <= position < len(parents):
        raise bad_argument(f"This task has {len(parents)} parents, so there is no parent {position}.")
    task = find_item(parents[position], "task")
    name = MISSING if task is MISSING else find_item(task, "id")
    outputs = MISSING if name is MISSING else find_item(_variable(render, "outputs"), name)
    if outputs is MISSING:
        raise bad_argument(f"Parent {position} has no outputs.")
    values = [value for value in map(_value_of, parents[: position + 1]) if value is not None]
    return _step_into(outputs, values, f'the parent "{name}"')
