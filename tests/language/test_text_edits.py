"""Form edits change only the lines that they are about: comments, order and quoting elsewhere stay byte for byte."""

from __future__ import annotations

import difflib

import pytest

from flows.language.source import read_document
from flows.language.text_edits import (
    duplicate_item,
    find_element,
    insert_item,
    move_item,
    remove_item,
    remove_value,
    set_value,
)
from flows.primitives.errors import InvalidError

SOURCE = """# the header stays
id: daily   # its name
namespace: 'company.team'

tasks:
  # first of all
  - id: fetch
    type: io.kestra.plugin.core.log.Log   # logs
    message: "hello {{ inputs.name }}"    # greets

  # then both
  - id: both
    type: io.kestra.plugin.core.flow.Parallel
    tasks:
    - id: one
      type: io.kestra.plugin.core.log.Log
      message: >-
        folded
        text
    - {id: two, type: io.kestra.plugin.core.log.Log, message: x}

  - id: script
    type: io.kestra.plugin.scripts.shell.Script
    script: |
      # not a comment
      echo a

      echo b
    env:
      A: "1"   # kept
# the end
"""


def changed_lines(new: str) -> tuple[list[str], list[str]]:
    """Return the lines that went away and those that came."""
    rows = list(difflib.ndiff(SOURCE.splitlines(), new.splitlines()))
    return [row[2:] for row in rows if row[0] == "-"], [row[2:] for row in rows if row[0] == "+"]


def test_a_quoted_text_keeps_its_quotes_and_its_comment() -> None:
    new = set_value(SOURCE, ("tasks", 0, "message"), "good bye")

    assert changed_lines(new) == (
        ['    message: "hello {{ inputs.name }}"    # greets'],
        ['    message: "good bye"    # greets'],
    )


def test_a_text_that_would_mean_something_else_is_quoted() -> None:
    new = set_value(SOURCE, ("id",), "yes: no # really")

    assert changed_lines(new)[1] == ['id: "yes: no # really"   # its name']


def test_a_single_quoted_text_stays_single_quoted() -> None:
    assert changed_lines(set_value(SOURCE, ("namespace",), "it's"))[1] == ["namespace: 'it''s'"]


def test_a_new_property_is_one_new_line_before_the_task_lists() -> None:
    new = set_value(SOURCE, ("tasks", 1, "concurrent"), "2", is_yaml=True, before=("tasks",))

    assert changed_lines(new) == ([], ["    concurrent: 2"])
    assert read_document(new).data["tasks"][1]["concurrent"] == 2


def test_a_block_text_is_replaced_without_what_follows() -> None:
    new = set_value(SOURCE, ("tasks", 2, "script"), "# still none\necho c\n")

    assert read_document(new).data["tasks"][2]["script"] == "# still none\necho c\n"
    assert new.endswith('    env:\n      A: "1"   # kept\n# the end\n')


def test_a_block_text_can_become_a_short_one() -> None:
    new = set_value(SOURCE, ("tasks", 2, "script"), "echo c")

    assert "    script: echo c\n    env:\n" in new


def test_a_mapping_is_replaced_by_yaml() -> None:
    new = set_value(SOURCE, ("tasks", 2, "env"), "B: 2\nC: 3", is_yaml=True)

    assert read_document(new).data["tasks"][2]["env"] == {"B": 2, "C": 3}
    assert new.endswith("    env:\n      B: 2\n      C: 3\n# the end\n")


def test_a_property_is_removed_with_all_of_its_lines() -> None:
    new = remove_value(SOURCE, ("tasks", 2, "script"))

    assert "script" not in read_document(new).data["tasks"][2]
    assert changed_lines(new)[1] == []


def test_removing_the_first_property_keeps_the_dash() -> None:
    assert "  - type: io.kestra.plugin.core.flow.Parallel\n" in remove_value(SOURCE, ("tasks", 1, "id"))


def test_an_entry_goes_in_between_with_the_blank_line_that_its_neighbours_have() -> None:
    new = insert_item(SOURCE, ("tasks",), 1, "id: extra\ntype: some.Type\n")

    assert changed_lines(new)[0] == []
    assert sorted(changed_lines(new)[1]) == ["", "    type: some.Type", "  - id: extra"]
    assert [task["id"] for task in read_document(new).data["tasks"]] == ["fetch", "extra", "both", "script"]
    assert "type: some.Type\n\n  # then both\n" in new


def test_an_entry_goes_to_the_end_and_into_an_inner_list() -> None:
    new = insert_item(SOURCE, ("tasks",), 9, "id: last\ntype: some.Type")
    inner = insert_item(SOURCE, ("tasks", 1, "tasks"), 9, "id: last\ntype: some.Type")

    assert [task["id"] for task in read_document(new).data["tasks"]][-1] == "last"
    assert "    - id: last\n      type: some.Type\n" in inner


def test_a_missing_list_is_made() -> None:
    new = insert_item(SOURCE, ("errors",), 0, "id: alert\ntype: some.Type")

    assert changed_lines(new)[1] == ["errors:", "  - id: alert", "    type: some.Type"]


def test_deleting_an_entry_loses_no_comment() -> None:
    new = remove_item(SOURCE, ("tasks", 1))

    assert "# then both" in new
    assert [task["id"] for task in read_document(new).data["tasks"]] == ["fetch", "script"]


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("by", [-1, 1])
def test_moving_keeps_every_line(position: int, by: int) -> None:
    new = move_item(SOURCE, ("tasks", position), by)

    assert sorted(new.splitlines()) == sorted(SOURCE.splitlines())
    assert move_item(new, ("tasks", min(2, max(0, position + by))), -by) == SOURCE or new == SOURCE


def test_moving_takes_the_comment_along() -> None:
    assert "  # then both\n  - id: both\n" in move_item(SOURCE, ("tasks", 1), -1)


def test_a_copy_has_ids_of_its_own() -> None:
    new = duplicate_item(SOURCE, ("tasks", 0), "fetch_2")
    group = duplicate_item(SOURCE, ("tasks", 1), "both_2")

    assert [task["id"] for task in read_document(new).data["tasks"]] == ["fetch", "fetch_2", "both", "script"]
    assert read_document(group).data["tasks"][2]["tasks"][0]["id"] == "one_copy"


def test_what_stands_in_brackets_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidError, match="below each other"):
        set_value(SOURCE, ("tasks", 1, "tasks", 1, "message"), "y")


def test_an_element_is_found_by_its_id_at_every_depth() -> None:
    assert find_element(SOURCE, "one") == ("tasks", 1, "tasks", 0)
    with pytest.raises(InvalidError):
        find_element(SOURCE, "daily")


def test_an_edit_at_the_end_of_a_text_without_a_line_break_is_valid() -> None:
    short = "id: a\nnamespace: b\ntasks:\n- id: x\n  type: t"

    assert read_document(insert_item(short, ("tasks",), 5, "id: y\ntype: t")).data["tasks"][1]["id"] == "y"
    assert read_document(set_value(short, ("tasks", 0, "message"), "m")).data["tasks"][0]["message"] == "m"
    assert (
        read_document(move_item(insert_item(short, ("tasks",), 5, "id: y\ntype: t"), ("tasks", 0), 1)).data["tasks"][0]["id"]
        == "y"
    )
