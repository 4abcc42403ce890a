"""The inbox: what waits for a person, oldest first, with the form that answers it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from flows.operations import executions as operations
from flows.primitives.callers import current_caller
from flows.primitives.errors import FlowsError, ForbiddenError, InvalidError, NotFoundError
from flows.primitives.rights import Action, Resource
from flows.queries.inbox import Question, list_questions
from flows.ui.input_fields import InputField, flatten, make_fields, read_inputs
from flows.ui.marks import check_mark
from flows.ui.page import answer_page, name_of, redirect
from flows.ui.tags import count_waiting

_NOTES = {"approve": "Approved", "deny": "Denied", "resume": "Resumed"}


@dataclass(frozen=True, slots=True)
class Card:
    """
    One question as the page shows it. `fault` says why the answer that was sent was not taken, unless a field says it: `faulty`
    are those, `focus_id` is the first of them, and `comment_fault` stands at the comment.
    """

    question: Question
    key: str
    fields: tuple[InputField, ...]
    may_answer: bool
    approve: str = "Approve"
    deny: str = "Deny"
    comment_needed: str = ""
    comment: str = ""
    fault: str = ""
    comment_fault: str = ""

    @property
    def faulty(self) -> list[InputField]:
        return [field for field in self.fields if field.errors]

    @property
    def focus_id(self) -> str:
        return self.faulty[0].id if self.faulty else ""


def show_inbox(request: HttpRequest) -> HttpResponse:
    """Show the questions; with `?count=1` answer with their number alone, empty for none."""
    if request.GET.get("count"):
        return HttpResponse(count_waiting(), content_type="text/plain; charset=utf-8")
    questions = list_questions()
    mark = check_mark(request, [_list_facts(question) for question in questions])
    return _answer(request, questions, mark=mark)


def _list_facts(question: Question) -> tuple[Any, ...]:
    """Return what a card tells besides the text of its revision."""
    execution, run, caller = question.execution, question.run, question.caller
    return (
        (execution.id, execution.flow_revision, execution.state),
        (run.id, run.task_id, run.state) if run is not None else None,
        question.since,
        question.goes_on_at,
        (caller.id, caller.flow_id) if caller is not None else None,
    )


def _answer(
    request: HttpRequest,
    questions: Iterable[Question],
    *,
    mark: str = "",
    key: str = "",
    given: Mapping[str, Any] | None = None,
    error: FlowsError | None = None,
) -> HttpResponse:
    cards = [
        _make_card(question, given=given or {}, error=error, comment=request.POST.get("comment", ""))
        if _key_of(question) == key
        else _make_card(question)
        for question in questions
    ]
    is_told = error is None or any(card.key == key for card in cards)
    context = {
        "cards": cards,
        "fault": "" if is_told or error is None else error.message,
        "is_refused": error is not None,
        "mark": mark,
    }
    return answer_page(request, "flows/inbox.html", context, title="Inbox", nav="inbox", status=422 if error else 200)


def _key_of(question: Question) -> str:
    return question.run.id if question.run is not None else question.execution.id


def _make_card(
    question: Question, *, given: Mapping[str, Any] | None = None, error: FlowsError | None = None, comment: str = ""
) -> Card:
    key, task = _key_of(question), question.task
    resolved = error.resolved if isinstance(error, operations.InputsRefusedError) else None
    fields = make_fields(task.inputs, given=given or {}, resolved=resolved, show_errors=True) if task is not None else []
    is_at_field = any(field.errors for field in fields)
    lacks_comment = error is not None and error.code == "comment-missing"
    decisions = task.properties.get("decisions") if task is not None else None
    words = decisions if isinstance(decisions, Mapping) else {}
    rule = str(task.properties.get("commentRequired") or "") if task is not None else ""
    return Card(
        question,
        key,
        # Several forms stand on one page, so that the name of an input alone would not tell its field.
        tuple(replace(one, id=f"{key}-{one.id}") for one in fields),
        current_caller().may(Action.UPDATE, Resource.EXECUTION, question.execution.namespace),
        approve=_word(words.get("approve"), "Approve"),
        deny=_word(words.get("deny"), "Deny"),
        comment_needed={"ALWAYS": "required", "ON_DENY": "required to deny", "ON_APPROVE": "required to approve"}.get(rule, ""),
        comment=comment,
        fault=error.message[:800] if error is not None and not (is_at_field or lacks_comment) else "",
        comment_fault="This decision needs a comment." if lacks_comment else "",
    )


def _word(text: Any, otherwise: str) -> str:
    return text if isinstance(text, str) and 0 < len(text) <= 40 and "{{" not in text else otherwise


def answer_question(request: HttpRequest) -> HttpResponse:
    """Approve, deny or resume what one card asks, and show the inbox without it, or with what was wrong with the answer."""
    decision, key = request.POST.get("decision", ""), request.POST.get("key", "")
    if decision not in _NOTES:
        raise InvalidError(f'A question cannot be answered with "{decision[:40]}".', code="unknown-action")
    question = next((one for one in list_questions() if _key_of(one) == key), None)
    if question is None:
        return redirect("inbox", problem="Somebody answered this meanwhile, or it went on by itself.")
    inputs = question.task.inputs if question.task is not None else ()
    supplied = read_inputs(request, inputs)
    try:
        _send(question, decision, supplied, comment=request.POST.get("comment") or None, actor=name_of(request))
    except (ForbiddenError, NotFoundError):
        raise
    except FlowsError as error:
        names = {name for name, _ in flatten(inputs)}
        given = {name: value for name, value in supplied.items() if isinstance(value, str) and name in names}
        return _answer(request, list_questions(), key=key, given=given, error=error)
    return redirect("inbox", note=f"{_NOTES[decision]}: {question.execution.flow_id}")


def _send(question: Question, decision: str, supplied: Mapping[str, Any], *, comment: str | None, actor: str) -> None:
    execution_id, run_id = question.execution.id, question.run.id if question.run is not None else None
    if decision == "resume":
        operations.resume_execution(execution_id, inputs=supplied, task_run_id=run_id, at=timezone.now(), actor=actor)
        return
    operations.review_execution(
        execution_id, decision=decision, comment=comment, inputs=supplied, task_run_id=run_id, at=timezone.now(), actor=actor
    )
