"""State has one door, and messages have one exit: found out by reading our own source."""

from __future__ import annotations

import ast
import re

from .sources import list_sources

_WRITES_STATE = re.compile(
    r"UPDATE\s+flows_(?:execution|taskrun)\b.*?\bSET\b(?:(?!\bWHERE\b).)*?(?<![\w.])state\s*=", re.IGNORECASE | re.DOTALL
)
_INSERTS = re.compile(r"INSERT\s+INTO\s+flows_(execution|taskrun)\b", re.IGNORECASE)
# Commands may probe a broker; they change nothing that a message could overtake.
_OUTSIDE = ("flows/management/",)
_ROW_WRITERS = {"create", "bulk_create", "bulk_update", "get_or_create", "update_or_create"}


def calls_of(tree: ast.Module) -> list[tuple[ast.Attribute, ast.Call]]:
    return [(node.func, node) for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]


def test_only_the_door_writes_state_columns_with_sql() -> None:
    writers = {source.name for source in list_sources() for text in source.list_texts() if _WRITES_STATE.search(text)}

    assert writers == {"flows/engine/transitions.py"}


def test_every_update_of_a_state_asks_for_the_state_that_was_seen() -> None:
    """Or for the token of the lease, which only a running attempt has."""
    updates = [text for source in list_sources() for text in source.list_texts() if _WRITES_STATE.search(text)]
    asks = re.compile(r"\bWHERE\b.*\b(state\s*(=|IN)|lease_token\s*=)", re.IGNORECASE | re.DOTALL)

    assert len(updates) >= 3
    assert [text for text in updates if not asks.search(text)] == []


def test_rows_of_executions_and_task_runs_are_inserted_at_one_place_each() -> None:
    inserters = {
        (source.name, table) for source in list_sources() for text in source.list_texts() for table in _INSERTS.findall(text)
    }

    assert inserters == {("flows/engine/rows.py", "execution"), ("flows/engine/transitions.py", "taskrun")}


def test_no_query_of_the_framework_writes_a_state() -> None:
    """`objects.update(state=...)` and the like would pass by the machine and the history."""
    writers = [
        f"{source.name}:{call.lineno}"
        for source in list_sources()
        for function, call in calls_of(source.tree)
        if function.attr == "update" and any(keyword.arg in ("state", "histories") for keyword in call.keywords)
    ]

    assert writers == []


def test_no_model_object_of_the_engine_is_created_or_saved() -> None:
    writers = [
        f"{source.name}:{call.lineno}"
        for source in list_sources()
        for function, call in calls_of(source.tree)
        if function.attr in _ROW_WRITERS and re.match(r"(Execution|TaskRun)\.objects\b", ast.unparse(function))
    ]
    savers = [
        f"{source.name}:{call.lineno}"
        for source in list_sources()
        if source.name.startswith("flows/engine/")
        for function, call in calls_of(source.tree)
        if function.attr == "save" and not source.name.endswith(("files.py", "stores.py"))
    ]

    assert writers + savers == []


def test_only_the_board_moves_a_run_or_an_execution_in_memory() -> None:
    movers = {
        source.name
        for source in list_sources()
        if source.name.startswith("flows/engine/")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Attribute) and target.attr == "state" for target in node.targets)
    }

    assert movers <= {"flows/engine/board.py"}


def test_only_dispatch_sends_messages() -> None:
    """Nothing is published inside a transaction: the few places that publish at all run after the commit."""
    senders = {
        source.name
        for source in list_sources()
        for function, _ in calls_of(source.tree)
        if function.attr in ("apply_async", "send_task", "delay") and not source.name.startswith(_OUTSIDE)
    }

    assert senders == {"flows/engine/dispatch.py", "flows/operations/dry_polls.py", "flows/operations/polling.py"}


def test_no_message_waits_in_the_memory_of_a_worker() -> None:
    """Delays are rows with a due time, never an `eta` or a `countdown` (reliability, rule 6)."""
    delayed = [
        f"{source.name}:{call.lineno}"
        for source in list_sources()
        for function, call in calls_of(source.tree)
        if function.attr in ("apply_async", "send_task", "set") and any(key.arg in ("eta", "countdown") for key in call.keywords)
    ]

    assert delayed == []
