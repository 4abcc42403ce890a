"""Changes between revisions in words."""

from __future__ import annotations

from flows.language.changes import describe_changes

OLD = """id: f
namespace: n
tasks:
  - id: orders
    type: t.A
  - id: group
    type: t.G
    tasks:
      - id: inner
        type: t.B
        message: x
"""


def test_tasks_and_properties_are_named() -> None:
    new = OLD.replace("message: x", "message: y").replace(
        "    type: t.A\n", "    type: t.A\n    retry: {}\n  - id: load\n    type: t.C\n"
    )

    assert describe_changes(OLD, new + "labels:\n  a: b\n") == [
        "task `load` added", "`retry` of `orders` added", "`message` of `inner` changed", "`labels` added",
    ]  # fmt: skip


def test_a_removed_task_and_a_trigger_are_named() -> None:
    new = OLD.partition("  - id: group")[0] + "triggers:\n  - id: nightly\n    type: t.S\n"

    assert describe_changes(OLD, new) == ["task `group` removed", "task `inner` removed", "trigger `nightly` added"]


def test_comments_and_quotes_are_no_change() -> None:
    assert describe_changes(OLD, "# hello\n" + OLD.replace("message: x", 'message: "x"')) == []


def test_another_order_is_told() -> None:
    first = "id: f\ntasks:\n- {id: a, type: t}\n- {id: b, type: t}\n"

    assert describe_changes(first, "id: f\ntasks:\n- {id: b, type: t}\n- {id: a, type: t}\n") == [
        "order of tasks changed around `a`"
    ]


def test_a_broken_text_gives_nothing() -> None:
    assert describe_changes(OLD, ":\n: [") == []
