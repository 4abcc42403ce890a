"""What went wrong, in one line: the message of a failed execution as its card and the dashboard tell it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from django.db.models import Exists, F, OuterRef, Subquery, Window
from django.db.models.functions import RowNumber

from flows.models import Execution, LogEntry, TaskRun
from flows.primitives.states import State
from flows.queries.visibility import visible

ERROR = 4
LAST_LINES = 20
NO_MESSAGE = "It ended without a message."

# The line of a stack trace that says what happened; what stands above it is the way there.
_EXCEPTION = re.compile(r"^[\w.]*(?:Error|Exception|Exit|Interrupt|Timeout)\b[\w.]*:?.*")


def pick_message(reason: str, entries: Sequence[LogEntry], *, least: int = ERROR) -> str:
    """
    Return the engine's own reason, else the last exception that was logged, else the first line of the worst level.

    Args:
        reason: of the execution, empty when the engine gave none.
        entries: log entries of the task run to blame, oldest first; only those of the last attempt count.
        least: number of the lowest level that counts.
    """
    last = max((entry.attempt_number for entry in entries), default=0)
    counted = [entry for entry in entries if entry.attempt_number == last and entry.level >= least]
    told = [line for entry in counted for line in entry.message.splitlines() if line.strip()]
    exceptions = [line for line in told if _EXCEPTION.match(line)]
    choices = [*reason.strip().splitlines()[:1], *exceptions[-1:], *told[:1], NO_MESSAGE]
    return choices[0].strip()


def list_messages(executions: Sequence[Execution]) -> dict[str, str]:
    """
    Return the messages of failed executions by their ids, in one query: what the first task run that failed said last.

    A group fails because of what is in it, so only task runs without failed ones inside are to blame. An execution in which
    none said anything is told by its newest error; one without any has an empty message.
    """
    inside = TaskRun.objects.filter(parent_id=OuterRef("id"), execution_id=OuterRef("execution_id"), state=State.FAILED)
    failed = TaskRun.objects.filter(id=OuterRef("task_run_id"), execution_id=OuterRef("execution_id"), state=State.FAILED)
    lines = visible(LogEntry).filter(execution_id__in=[row.id for row in executions], level__gte=ERROR)
    order = [F("culprit").asc(nulls_last=True), F("id").desc()]
    numbered = lines.annotate(culprit=Subquery(failed.exclude(Exists(inside)).values("seq")[:1])).annotate(
        back=Window(RowNumber(), partition_by=[F("execution_id")], order_by=order)
    )
    said: dict[str, list[LogEntry]] = defaultdict(list)
    for entry in numbered.filter(back__lte=LAST_LINES).order_by("execution_id", "back"):
        held = said[str(entry.execution_id)]
        if not held or held[0].task_run_id == entry.task_run_id:
            held.append(entry)
    found = {row.id: pick_message(row.error, said[row.id][::-1]) for row in executions}
    return {key: "" if message == NO_MESSAGE else message for key, message in found.items()}
