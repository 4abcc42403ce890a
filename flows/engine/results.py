"""Running a plugin's code: properties rendered and checked before, outcome as a value afterwards. No state is written here."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flows.conf import get_settings
from flows.engine.context import TaskContext
from flows.engine.stand_ins import find_stand_in
from flows.expressions import ExpressionError
from flows.language.flow import Task
from flows.plugin_api.fields import Output, load_properties
from flows.plugin_api.registry import get_registry
from flows.plugin_api.tasks import RunnableTask, TaskFailure
from flows.primitives.errors import FlowsError
from flows.primitives.states import State

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How one attempt ended: SUCCESS, WARNING, FAILED, KILLED or CANCELLED, with what the task gave out (JSON-ready, None for
    nothing), the reason of a failure, and whether another attempt could help. `cached` tells that nothing ran, because the
    outputs are those of an earlier run; `log_file` is the address of the attempt's log when that is kept in a file.
    """

    state: State
    outputs: dict[str, Any] | None = None
    reason: str = ""
    permanent: bool = False
    cached: bool = False
    log_file: str | None = None


def make_plugin(task: Task) -> RunnableTask:
    """Return a new object of the task's class. Raises FlowsError when the plugin is not installed."""
    entry = get_registry().get(task.type)
    plugin: RunnableTask = get_registry().load(entry)()
    return plugin


def run_plugin(task: Task, context: TaskContext, plugin: RunnableTask | None = None) -> Outcome:
    """Run a task and return how it ended, its log file stored; never raises for what the task or its author did."""
    stand_in = find_stand_in(task.id)
    if stand_in is not None:
        return Outcome(stand_in.state, dict(stand_in.outputs), permanent=True)
    outcome = _run_code(task, context, plugin)
    if not task.log_to_file:
        return outcome
    if outcome.reason:
        context.log.error(outcome.reason)
    try:
        return replace(outcome, log_file=context.store_log())
    except FlowsError as error:
        log.warning("attempt.log-unstored", extra={"task": task.id, "reason": error.message})
        return outcome


def _run_code(task: Task, context: TaskContext, plugin: RunnableTask | None) -> Outcome:
    try:
        runner = plugin or make_plugin(task)
        props = load_properties(type(runner).Props, task.properties, context.render)
        output = runner.run(context, props)
    except TaskFailure as failure:
        return _checked(Outcome(State.FAILED, dump_outputs(failure.outputs), failure.message, failure.permanent))
    except (ExpressionError, FlowsError) as error:
        return Outcome(State.FAILED, None, _explain(error))
    except Exception as error:  # noqa: BLE001  # the edge of a unit of work: whatever a plugin raises ends its attempt
        context.log.debug(traceback.format_exc())
        return Outcome(State.FAILED, None, f"{type(error).__name__}: {error}")
    state = State.SUCCESS
    if isinstance(output, Output) and output.final_state:
        state = State(output.final_state)
    return _checked(Outcome(state, dump_outputs(output) or {}))


def dump_outputs(output: Output | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return outputs as JSON-ready data by their YAML names; None for none."""
    if output is None:
        return None
    if isinstance(output, Output):
        return output.dump()
    return dict(output)


def _checked(outcome: Outcome) -> Outcome:
    """Refuse outputs that are too large to keep in a row, naming the largest field and the way out."""
    if not outcome.outputs:
        return outcome
    limit = get_settings().max_output_bytes
    sizes = {key: len(json.dumps(value, default=str)) for key, value in outcome.outputs.items()}
    if sum(sizes.values()) <= limit:
        return outcome
    largest = max(sizes, key=lambda key: sizes[key])
    return Outcome(
        State.FAILED,
        None,
        f'The outputs are {sum(sizes.values()):,} bytes, more than the limit of {limit:,}; the largest is "{largest}" with '
        f'{sizes[largest]:,} bytes. Write it to a file and give out its address, or use "fetchType: STORE".',
        permanent=True,
    )


def _explain(error: FlowsError) -> str:
    problems = getattr(error, "problems", ())
    return error.message if not problems else "\n".join([error.message, *(str(problem) for problem in problems)])
