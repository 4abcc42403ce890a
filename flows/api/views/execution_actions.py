"""Actions on one execution."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer
from flows.api.auth import name_of
from flows.api.describing import (
    ANYTHING,
    FLAG,
    FORM_TYPE,
    JSON_TYPE,
    OBJECT,
    REVISION,
    TEXT,
    Value,
    describes,
    list_of,
    object_of,
)
from flows.api.endpoint import now, read_list, read_object, read_text
from flows.api.idempotency import KEY_VALUE, start_for_key
from flows.api.multipart import read_inputs
from flows.api.pagination import find_number, read_flag, read_required
from flows.api.views.executions import (
    declared_inputs,
    list_input_ids,
    present_resolved,
    present_whole,
    read_breakpoints,
)
from flows.models import Execution
from flows.operations import executions as operations
from flows.operations.resume_checks import validate_resume_inputs as check_resume_inputs
from flows.primitives.errors import FlowsError, ForbiddenError, InvalidError, NotFoundError
from flows.queries import executions as queries
from flows.queries.asked import find_asked

MOST_EXPRESSIONS = 100


@describes(Value("isOnKillCascade", "Whether what it started is killed, too.", FLAG), answer="Execution")
def kill(request: Request, execution_id: str) -> HttpResponse:
    """Kill an execution, and those that it started unless `isOnKillCascade` is false."""
    operations.kill_execution(
        execution_id, cascade=read_flag(request, "isOnKillCascade", default=True), at=now(), actor=name_of(request)
    )
    return answer(present_whole(execution_id))


@describes(
    KEY_VALUE,
    REVISION,
    Value("taskRunId", "Where a replay begins; of a restart, the one task run that begins again."),
    Value("status", "The state of `change-status`."),
    Value("state", "The state after `unqueue`."),
    Value("breakpoints", "Tasks before which it stops, divided by commas."),
    body={FORM_TYPE: OBJECT, JSON_TYPE: ANYTHING},
    needs_body=False,
    answer="Execution",
)
def act(request: Request, execution_id: str, action: str) -> HttpResponse:
    """Do one of the actions that POST asks for, and return the execution (the new one for a replay)."""
    execution = ACTIONS[action](request, execution_id)
    return answer(present_whole(execution.id))


def _pause(request: Request, execution_id: str) -> Execution:
    return operations.pause_execution(execution_id, at=now(), actor=name_of(request))


def _resume(request: Request, execution_id: str) -> Execution:
    inputs = read_inputs(request, partial(_resume_input_ids, execution_id))
    return operations.resume_execution(execution_id, inputs=inputs, at=now(), actor=name_of(request))


def _resume_input_ids(execution_id: str) -> list[str]:
    """Return the ids of the inputs that the execution asks for, or the one that it waits for."""
    asked = find_asked(queries.get_execution(execution_id))
    return list_input_ids(asked.task.inputs) if asked is not None and asked.task is not None else []


def _restart(request: Request, execution_id: str) -> Execution:
    return operations.restart_execution(
        execution_id,
        task_run_id=request.query_params.get("taskRunId") or None,
        revision=find_number(request, "revision"),
        at=now(),
        actor=name_of(request),
    )


def _replay(request: Request, execution_id: str) -> Execution:
    return _replay_once(request, execution_id, None)


def _replay_once(request: Request, execution_id: str, inputs: dict[str, Any] | None) -> Execution:
    begin = partial(
        operations.replay_execution,
        execution_id,
        task_run_id=request.query_params.get("taskRunId") or None,
        revision=find_number(request, "revision"),
        inputs=inputs,
        breakpoints=read_breakpoints(request),
        at=now(),
        actor=name_of(request),
    )
    return start_for_key(request, inputs or {}, begin)[0]


def _replay_with_inputs(request: Request, execution_id: str) -> Execution:
    old = queries.get_execution(execution_id)
    revision = find_number(request, "revision")
    declared = declared_inputs(old.namespace, old.flow_id, revision or old.flow_revision)
    return _replay_once(request, execution_id, read_inputs(request, declared))


def _resume_from_breakpoint(request: Request, execution_id: str) -> Execution:
    ahead = read_breakpoints(request) if "breakpoints" in request.query_params else None
    return operations.resume_execution(execution_id, breakpoints=ahead, at=now(), actor=name_of(request))


def _change_status(request: Request, execution_id: str) -> Execution:
    status = request.query_params.get("status") or request.query_params.get("newStatus") or read_required(request, "status")
    return operations.change_execution_status(execution_id, status=read_state(status), at=now(), actor=name_of(request))


def read_state(word: str) -> str:
    """Return a state by its name in any letter case. Raises InvalidError."""
    state = queries.STATES.get(word.upper())
    if state is None:
        raise InvalidError(f'"{word[:60]}" is no state; known ones: {", ".join(queries.STATES)}.', code="unknown-state")
    return state


def _change_task_state(request: Request, execution_id: str) -> Execution:
    body = read_object(request)
    task_run_id, state = body.get("taskRunId"), body.get("state")
    if not isinstance(task_run_id, str) or not isinstance(state, str):
        raise InvalidError('The body must name "taskRunId" and "state", both texts.', code="json-shape")
    return operations.change_task_run_state(
        execution_id, task_run_id=task_run_id, state=read_state(state), at=now(), actor=name_of(request)
    )


def _set_labels(request: Request, execution_id: str) -> Execution:
    labels = read_label_list(read_list(request, of=dict))
    return operations.set_execution_labels(execution_id, labels=labels, at=now(), actor=name_of(request))


def read_label_list(items: Collection[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return labels of the form `{key, value}`; other keys are ignored. Raises InvalidError."""
    labels = []
    for item in items:
        key, value = item.get("key"), item.get("value")
        if not isinstance(key, str) or not key or value is None or isinstance(value, (dict, list)):
            raise InvalidError('Every label must be an object with the texts "key" and "value".', code="label-form")
        labels.append((key, value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)))
    return labels


def _force_run(request: Request, execution_id: str) -> Execution:
    return operations.force_run_execution(execution_id, at=now(), actor=name_of(request))


def _unqueue(request: Request, execution_id: str) -> Execution:
    state = read_state(request.query_params.get("state") or "RUNNING")
    return operations.unqueue_execution(execution_id, state=state, at=now(), actor=name_of(request))


def _review(request: Request, execution_id: str) -> Execution:
    return _decide(request, execution_id, None)


def _decide(request: Request, execution_id: str, task_run_id: str | None) -> Execution:
    body = read_object(request)
    decision, comment, inputs = body.get("decision"), body.get("comment"), body.get("inputs")
    if not isinstance(decision, str):
        raise InvalidError('The body must name the "decision": APPROVED or DENIED.', code="json-shape")
    if (comment is not None and not isinstance(comment, str)) or (inputs is not None and not isinstance(inputs, dict)):
        raise InvalidError('"comment" must be a text and "inputs" an object.', code="json-shape")
    chosen = task_run_id or body.get("taskRunId")
    return operations.review_execution(
        execution_id,
        decision=decision,
        comment=comment,
        inputs=inputs or {},
        task_run_id=chosen if isinstance(chosen, str) else None,
        at=now(),
        actor=name_of(request),
    )


@describes(
    body=object_of(["decision"], decision={"type": "string", "enum": ["APPROVED", "DENIED"]}, comment=TEXT, inputs=OBJECT),
    answer="Execution",
)
def review_task_run(request: Request, execution_id: str, task_run_id: str) -> HttpResponse:
    """Answer the approval that one task run waits for."""
    return answer(present_whole(_decide(request, execution_id, task_run_id).id))


ACTIONS: dict[str, Callable[[Request, str], Execution]] = {
    "restart": _restart,
    "replay": _replay,
    "replay-with-inputs": _replay_with_inputs,
    "pause": _pause,
    "resume": _resume,
    "resume-from-breakpoint": _resume_from_breakpoint,
    "change-status": _change_status,
    "state": _change_task_state,
    "labels": _set_labels,
    "force-run": _force_run,
    "unqueue": _unqueue,
    "review": _review,
}


@describes(body={FORM_TYPE: OBJECT}, needs_body=False, answer="InputCheck")
def validate_resume_inputs(request: Request, execution_id: str) -> HttpResponse:
    """Say whether the inputs of a resume are right. Nothing is resumed."""
    resolved = check_resume_inputs(execution_id, inputs=read_inputs(request, partial(_resume_input_ids, execution_id)), at=now())
    execution = queries.get_execution(execution_id)
    entries = present_resolved(resolved, None)
    return answer({"id": execution.flow_id, "namespace": execution.namespace, "inputs": entries, "checks": []})


@describes(
    body=object_of(["expressions", "executionId"], expressions=list_of(TEXT), executionId=TEXT),
    answer=object_of(["rendered"], rendered=OBJECT),
)
def render_expressions(request: Request) -> HttpResponse:
    """Render several expressions in an execution; one that is wrong stands for itself in the answer."""
    body = read_object(request)
    expressions, execution_id = body.get("expressions"), body.get("executionId")
    if not isinstance(expressions, list) or not all(isinstance(one, str) for one in expressions):
        raise InvalidError('"expressions" must be a list of texts.', code="json-shape")
    if len(expressions) > MOST_EXPRESSIONS:
        raise InvalidError(f"At most {MOST_EXPRESSIONS} expressions can be rendered at once.", code="json-shape")
    if not isinstance(execution_id, str):
        raise InvalidError('"executionId" must name the execution whose values the expressions show.', code="json-shape")
    queries.get_execution(execution_id)
    rendered: dict[str, str] = {}
    for expression in expressions:
        try:
            rendered[expression] = operations.eval_expression(execution_id, expression)
        except ForbiddenError:
            raise
        except FlowsError:
            rendered[expression] = expression
    return answer({"rendered": rendered})


@describes(body={"text/plain": TEXT}, answer="Evaluation")
def evaluate(request: Request, execution_id: str, task_run_id: str | None = None) -> HttpResponse:
    """Render an expression with the variables of an execution or task run; a fault in it is an answer, not an error."""
    expression = read_text(request)
    queries.get_execution(execution_id)
    if task_run_id is not None:
        queries.get_task_run(execution_id, task_run_id)
    try:
        return answer({"result": operations.eval_expression(execution_id, expression, task_run_id=task_run_id)})
    except ForbiddenError:
        raise
    except NotFoundError as error:
        return answer({"result": None, "error": error.message, "stackTrace": error.message})
    except FlowsError as error:
        return answer({"result": None, "error": error.message, "stackTrace": f"{error.code}: {error.message}"})
