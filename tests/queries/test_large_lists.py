"""What lists do because they may be long: text searches by index, two-part orders, counts that are kept or estimated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from flows.models import Execution, Flow, LogEntry
from flows.queries import logs, pages
from flows.queries.criteria import Condition, Criteria, CriteriaError, Operation
from flows.queries.executions import search_executions
from flows.queries.logs import search_logs
from flows.queries.pages import Window
from tests.support import eventually

AT = datetime(2031, 5, 4, 10, 0, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def make_execution(number: int, *, length: int | None = 1, **values: Any) -> Execution:
    """Make the row of an execution that began `number` minutes late and took `length` seconds; None for one that still runs."""
    key = values.pop("id", f"{number:04d}ABCDEFGHabcdefgh")
    start = AT + timedelta(minutes=number)
    return Execution.objects.create(
        **{
            "id": key, "namespace": "company.team", "flow_id": "daily", "flow_revision": 1, "created_at": start,
            "state": "RUNNING" if length is None else "SUCCESS", "original_id": key, "original_created_at": start,
            "ended_at": None if length is None else start + timedelta(seconds=length), **values,
        }
    )  # fmt: skip


def make_line(message: str, **values: Any) -> None:
    """Store one log line."""
    LogEntry.objects.create(
        **{"namespace": "company.team", "flow_id": "daily", "level": 2, "timestamp": AT, "message": message, **values}
    )


def find_lines(text: str, operation: Operation = Operation.EQUALS) -> set[str]:
    """Return the messages that a search for a text finds."""
    found = search_logs(Criteria(members=(Condition("q", operation, text),)), Window(), at=AT)
    return {line.message for line in found.results}


def find_executions(text: str) -> set[str]:
    """Return the beginnings of the ids that a search for a text finds."""
    found = search_executions(Criteria(members=(Condition("q", Operation.EQUALS, text),)), Window(), at=AT)
    return {execution.id[:4] for execution in found.results}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("loaded", True),
        ("LOADED 12", True),
        ("table_4", True),
        ("company.team", True),
        ("/tmp/out", True),
        ("rows of", True),
        ("größe", True),
        ("it's", True),
        ("100%", True),
        ("--", True),
        ("of rows", False),
        ("missing", False),
        ("' | 'loaded", False),
        ("!loaded", False),
    ],
)
def test_log_lines_are_found_by_a_text_that_begins_with_a_word(text: str, found: bool) -> None:
    message = "Loaded 12 rows of table_42 for company.team-a -- Größe: /tmp/out.csv, it's 100% done"
    make_line(message)
    make_line("something else")

    assert find_lines(text) == ({message} if found else set())


def test_log_lines_are_found_by_execution_and_flow_too() -> None:
    Flow.objects.create(namespace="company.team", flow_id="weekly", created_at=AT, updated_at=AT)
    make_line("a", execution_id="0001ABCDEFGHabcdefgh")
    make_line("b", flow_id="weekly")

    assert find_lines("0001ABCDEFGHabcdefgh") == {"a"}
    assert find_lines("EEKL") == {"b"}
    assert find_lines("eekl", Operation.NOT_EQUALS) == {"a"}


def test_a_very_long_message_can_be_stored() -> None:
    make_line(" ".join(f"word{number}" for number in range(200_000)))

    assert LogEntry.objects.count() == 1


def test_executions_are_found_by_id_flow_and_label() -> None:
    Flow.objects.create(namespace="company.team", flow_id="daily", created_at=AT, updated_at=AT)
    make_execution(1)
    make_execution(2, flow_id="other", namespace="elsewhere", labels=[{"key": "owner", "value": "data"}])

    assert find_executions("0001AB") == {"0001"}
    assert find_executions("AIL") == {"0001"}
    assert find_executions("COMPANY") == {"0001"}
    assert find_executions("data") == find_executions("owner:data") == find_executions("Owner") == {"0002"}
    assert find_executions("nobody") == set()


def test_a_text_takes_no_operation_that_compares_sizes() -> None:
    with pytest.raises(CriteriaError):
        find_lines("a", Operation.GREATER_THAN)


@pytest.mark.parametrize("name", ["state.endDate", "state.duration"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_executions_without_an_end_come_last_on_every_page(name: str, direction: str) -> None:
    for number, length in enumerate((30, None, 10, None, 20)):
        make_execution(number, length=length)
    window = [Window(page, 2, ((name, direction),)) for page in (1, 2, 3, 4)]
    found = [search_executions(Criteria(), one, at=AT) for one in window]
    order = [int(execution.id[:4]) for page in found for execution in page.results]

    by_value = [0, 2, 4] if name == "state.endDate" else [2, 4, 0]
    assert order == [*(by_value if direction == "asc" else reversed(by_value)), 3, 1]
    assert [page.total for page in found] == [5, 5, 5, 5]


def test_a_total_beyond_what_is_counted_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        make_line(str(number))
    exact = pages.take_page(LogEntry.objects.order_by("id"), Window(1, 2), most_counted=6)
    estimated = pages.take_page(LogEntry.objects.order_by("id"), Window(1, 2), most_counted=3)

    assert exact.total == 6
    assert estimated.total >= 4


def test_a_text_that_stands_in_many_lines_is_found_among_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "NEWEST_LINES", 10)
    monkeypatch.setattr(logs, "SAMPLED_LINES", 10)
    for number in range(30):
        make_line(f"line {number}", timestamp=AT + timedelta(seconds=number))
    criteria = Criteria(members=(Condition("q", Operation.EQUALS, "line"),))
    often = search_logs(criteria, Window(1, 5), at=AT)
    beyond = search_logs(criteria, Window(6, 5), at=AT)

    assert [line.message for line in often.results] == [f"line {number}" for number in range(29, 24, -1)]
    assert often.total >= 5
    assert [line.message for line in beyond.results] == [f"line {number}" for number in range(4, -1, -1)]


def test_log_lines_are_found_by_the_beginning_of_their_namespace() -> None:
    for namespace in ("company", "company.team", "companyx", "other"):
        make_line(namespace, namespace=namespace)
        Flow.objects.create(namespace=namespace, flow_id="daily", created_at=AT, updated_at=AT)
    condition = Condition("namespace", Operation.PREFIX, "company")
    found = search_logs(Criteria(members=(condition,)), Window(), at=AT)

    assert {line.message for line in found.results} == {"company", "company.team"}


@pytest.mark.django_db(transaction=True)
def test_a_large_count_is_given_again_and_renewed_behind_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LARGE_COUNT", 2)
    monkeypatch.setattr(pages, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(pages, "_large_counts", {})
    now = timezone.now()
    flows = [Flow(namespace="a", flow_id=str(number), created_at=now, updated_at=now) for number in range(4)]
    Flow.objects.bulk_create(flows[:3])
    first = pages.count_rows(Flow.objects.all())
    Flow.objects.bulk_create(flows[3:])
    kept = pages.count_rows(Flow.objects.all())

    assert (first, kept) == (3, 3)
    assert eventually(lambda: pages.count_rows(Flow.objects.all()) == 4)
    assert eventually(lambda: not pages._being_counted)


def test_a_large_count_that_is_a_minute_old_is_not_given_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LARGE_COUNT", 1)
    monkeypatch.setattr(pages, "OUTDATED_SECONDS", 0.0)
    monkeypatch.setattr(pages, "_large_counts", {})
    Flow.objects.create(namespace="a", flow_id="1", created_at=AT, updated_at=AT)
    first = pages.count_rows(Flow.objects.all())
    Flow.objects.create(namespace="a", flow_id="2", created_at=AT, updated_at=AT)

    assert (first, pages.count_rows(Flow.objects.all())) == (1, 2)
