"""From a request to an execution row: inputs resolved, labels joined, checks made. Shared by people, triggers and subflows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows.engine.catalog import LoadedFlow, find_current, get_flow
from flows.engine.environment import FlowEnvironment
from flows.engine.playground import KIND
from flows.engine.rows import NewExecution
from flows.engine.stores import RunStorage
from flows.expressions import ExpressionError, is_truthy, render
from flows.language.flow import Check, Input
from flows.language.inputs import InputProblem, ResolvedInputs, resolve_inputs, to_variables
from flows.models.encryption import decrypt_envelope, encrypt_text
from flows.primitives.errors import ConflictError, InvalidError
from flows.primitives.ids import new_id
from flows.primitives.problems import Problem
from flows.primitives.states import State
from flows.storage import get_storage
from flows.storage.uri import input_file_address

SYSTEM_PREFIX = "system."
CORRELATION_LABEL = "system.correlationId"
_DEEPEST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """
    Who wants what to start. `labels` are the caller's own pairs; `inherited` pairs stand under them and may be system labels.
    `trigger` is `{id, type, family?, variables}`. With `may_miss_inputs` a required input without a value is null instead of a
    fault: events of other flows cannot know what a listener asks for. Source: flow language, 13.1.
    """

    namespace: str
    flow_id: str
    at: datetime
    revision: int | None = None
    inputs: Mapping[str, Any] | None = None
    labels: Sequence[tuple[str, str]] = ()
    inherited: Sequence[tuple[str, str]] = ()
    trigger: Mapping[str, Any] | None = None
    schedule_at: datetime | None = None
    execution_id: str | None = None
    kind: str = "NORMAL"
    breakpoints: Sequence[Mapping[str, Any]] = ()
    caller_execution_id: str | None = None
    caller_task_run_id: str | None = None
    caller_waits: bool = False
    depth: int = 0
    actor: str = ""
    may_set_system_labels: bool = False
    may_miss_inputs: bool = False
    loaded: LoadedFlow | None = None
    """The revision to start, when the caller has just read it as the newest one; spares reading it again."""


def prepare_execution(request: StartRequest) -> NewExecution:
    """
    Return the row to write for a request. Reads the flow, resolves inputs (files go to storage), evaluates checks.

    Raises:
        NotFoundError: there is no such flow or revision.
        ConflictError: the flow is disabled, or executions start one another too deeply.
        InvalidError: a draft, inputs, labels or a blocking check; `problems` lists every fault of the inputs.
    """
    loaded = request.loaded or get_runnable_flow(request.namespace, request.flow_id, request.revision)
    refuse_draft(loaded, request.kind)
    if loaded.flow.disabled:
        raise _refuse_disabled(request.namespace, request.flow_id)
    if request.depth > _DEEPEST:
        raise ConflictError(
            f'Flow "{request.namespace}/{request.flow_id}" was started by {_DEEPEST} executions in a row: does it start itself?',
            code="too-deep",
        )
    if not request.may_set_system_labels:
        refuse_system_labels(request.labels)
    execution_id = request.execution_id or new_id()
    resolved = resolve_for(loaded, request.inputs or {}, execution_id=execution_id, at=request.at)
    faults = [problem for problem in resolved.problems if not (request.may_miss_inputs and problem.is_missing)]
    if faults:
        raise InvalidError(
            f"{'; '.join(problem.message for problem in faults)}. {_advise(faults)}"
            f'Flow "{request.namespace}/{request.flow_id}" was not started.',
            code="input-invalid",
            problems=[Problem("input-invalid", problem.message) for problem in faults],
        )
    failing = list_failing_checks(loaded, resolved.values, request.at)
    blocking = [check.message for check in failing if check.behavior == "BLOCK_EXECUTION"]
    if blocking:
        raise InvalidError("; ".join(blocking), code="check-failed")
    fails = next((check for check in failing if check.behavior == "FAIL_EXECUTION"), None)
    deadline = first_deadline(loaded, request.at)
    return NewExecution(
        id=execution_id,
        namespace=request.namespace,
        flow_id=request.flow_id,
        flow_revision=loaded.revision,
        at=request.at,
        kind=request.kind,
        inputs=resolved.values,
        labels=_join_labels(loaded, request, execution_id),
        trigger=request.trigger,
        schedule_at=request.schedule_at,
        breakpoints=request.breakpoints,
        caller_execution_id=request.caller_execution_id,
        caller_task_run_id=request.caller_task_run_id,
        caller_waits=request.caller_waits,
        depth=request.depth,
        wake_at=deadline,
        state=State.FAILED if fails else State.CREATED,
        error=fails.message if fails else "",
    )


def _advise(faults: Sequence[InputProblem]) -> str:
    missing = ", ".join(f"`{problem.input_id}`" for problem in faults if problem.is_missing)
    return f"Give a value for {missing}, or a default in the flow. " if missing else ""


def get_runnable_flow(namespace: str, flow_id: str, revision: int | None) -> LoadedFlow:
    """Return a revision that may be executed. Raises NotFoundError, ConflictError for a disabled flow, InvalidError."""
    current = find_current(namespace, flow_id) if revision is not None else None
    loaded = get_flow(namespace, flow_id, revision)
    if loaded.flow.disabled or (current is not None and current.disabled):
        raise _refuse_disabled(namespace, flow_id)
    return loaded


def refuse_draft(loaded: LoadedFlow, kind: str) -> None:
    """Raise InvalidError when an execution of this kind may not run the revision: a draft runs in the playground alone."""
    if loaded.draft and kind != KIND:
        name = f"{loaded.flow.namespace}/{loaded.flow.id}"
        raise InvalidError(
            f'Revision {loaded.revision} of flow "{name}" is a draft, which runs in the playground alone: publish it, or start '
            "the flow without naming a revision.",
            code="flow-is-draft",
        )


def _refuse_disabled(namespace: str, flow_id: str) -> ConflictError:
    return ConflictError(f'Flow "{namespace}/{flow_id}" is disabled. Enable it to start executions.', code="flow-disabled")


def resolve_for(
    loaded: LoadedFlow,
    supplied: Mapping[str, Any],
    *,
    execution_id: str,
    at: datetime,
    inputs: Sequence[Input] | None = None,
    extra: Mapping[str, Any] | None = None,
    environment: FlowEnvironment | None = None,
    keeps_files: bool = True,
) -> ResolvedInputs:
    """
    Return the resolved inputs of a flow, or of a pause when `inputs` are given; FILE inputs are stored under the execution's
    id, unless `keeps_files` is False. `extra` are variables that defaults may use besides the flow's own; `environment` answers
    their functions, by default as a start does.
    """
    flow = loaded.flow
    environment = environment or FlowEnvironment(flow.namespace, at=at)
    base: dict[str, Any] = {
        "flow": {"id": flow.id, "namespace": flow.namespace, "revision": loaded.revision},
        "vars": flow.variables,
        "execution": {"id": execution_id, "startDate": at},
    }

    if extra:
        base.update(extra)

    def render_value(value: Any, variables: Mapping[str, Any], *, typed: bool = False) -> Any:
        return render(value, {**base, **variables}, typed=typed, environment=environment)

    def store(input_id: str, file: Any) -> str:
        return store_input_file(flow.namespace, flow.id, execution_id, input_id, file) if keeps_files else str(file)

    declared = flow.inputs if inputs is None else inputs
    return resolve_inputs(declared, supplied, render=render_value, store_file=store, encrypt=encrypt_text, at=at)


def store_input_file(namespace: str, flow_id: str, execution_id: str, input_id: str, file: Any) -> str:
    """Store an uploaded file, or a copy of a namespace file given by its address, as an input and return its address."""
    if isinstance(file, str):
        if file.startswith("nsfile://"):
            source = RunStorage(namespace, flow_id, execution_id)
            name = file.rsplit("/", 1)[-1]
            address = str(input_file_address(namespace, flow_id, execution_id, input_id=input_id, name=name))
            with source.open(file) as stream:
                get_storage().write(address, stream)
            return address
        raise InvalidError(
            f'Input "{input_id}" cannot read "{file}": give an upload, a kestra:// address or nsfile:///path.',
            code="input-invalid",
        )
    name = file.name or f"{input_id}.upl"
    address = str(input_file_address(namespace, flow_id, execution_id, input_id=input_id, name=name))
    get_storage().write(address, file)
    return address


def refuse_system_labels(labels: Sequence[tuple[str, str]]) -> None:
    """Raise InvalidError when a person or a flow tries to set a label of the platform."""
    wrong = [key for key, _ in labels if key.startswith(SYSTEM_PREFIX) and key != CORRELATION_LABEL]
    if wrong:
        names = ", ".join(f'"{key}"' for key in wrong)
        raise InvalidError(
            f"System labels can only be set by Celestra itself; got {names}. Choose another key.", code="system-label"
        )


def _join_labels(loaded: LoadedFlow, request: StartRequest, execution_id: str) -> list[tuple[str, str]]:
    """Flow labels, then inherited ones, then the caller's; the later of equal keys wins. Source: flow language, 5.3."""
    own = [(key, value) for key, value in loaded.flow.labels if not key.startswith(SYSTEM_PREFIX)]
    joined = dict([*own, *request.inherited, *request.labels])
    if request.actor and "system.username" not in joined:
        joined["system.username"] = request.actor
    joined.setdefault(CORRELATION_LABEL, execution_id)
    return list(joined.items())


def list_failing_checks(
    loaded: LoadedFlow, values: Mapping[str, Any], at: datetime, *, environment: FlowEnvironment | None = None
) -> list[Check]:
    """Return the checks of a flow that do not hold for these input values."""
    if not loaded.flow.checks:
        return []
    environment = environment or FlowEnvironment(loaded.flow.namespace, at=at)
    variables = {
        "flow": {"id": loaded.flow.id, "namespace": loaded.flow.namespace, "revision": loaded.revision},
        "inputs": to_variables(loaded.flow.inputs, values, decrypt_envelope),
        "vars": loaded.flow.variables,
    }
    failing = []
    for check in loaded.flow.checks:
        try:
            holds = is_truthy(render(check.when, variables, environment=environment))
        except ExpressionError:
            holds = False
        if not holds:
            failing.append(check)
    return failing


def first_deadline(loaded: LoadedFlow, at: datetime) -> datetime | None:
    """Return when the first SLA of an execution that is created at `at` may be broken by its duration, None without one."""
    durations = [level.duration for level in loaded.flow.slas if level.type == "MAX_DURATION" and level.duration is not None]
    return at + min(durations) if durations else None
