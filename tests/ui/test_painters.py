"""The pictures: boxes that do not overlap, rows that fold, marks for changed words, colours with enough contrast."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rcssmin import cssmin

from flows.language.flow import Flow, Task
from flows.models import LogEntry
from flows.models.encryption import ENVELOPE_TYPE
from flows.ui.looks import LOOKS, write_style_rules
from flows.ui.markdown import render_markdown
from flows.ui.painters.boxes import Box, arrange_flow, choose_folds, list_boxes, recall_arrangement
from flows.ui.painters.dependency_graph import GraphNode, draw_dependencies
from flows.ui.painters.diff import count_changes, paint_difference
from flows.ui.painters.json_tree import paint_branch, paint_tree
from flows.ui.painters.log_lines import paint_log_lines, paint_message
from flows.ui.painters.paths import transpose
from flows.ui.painters.topology import NodeState, draw_topology
from flows.ui.wording import write_duration

AT = datetime(2031, 5, 4, tzinfo=UTC)
STYLES = Path(__file__).resolve().parents[2] / "static" / "flows" / "css" / "states.css"


def _task(task_id: str, **fields: object) -> Task:
    return Task(task_id, "io.kestra.plugin.core.log.Log", **fields)  # type: ignore[arg-type]


def _leaves(*names: str) -> tuple[Task, ...]:
    return tuple(_task(name) for name in names)


def _flow(*tasks: Task, **fields: object) -> Flow:
    return Flow("daily", "company.team", tasks, **fields)  # type: ignore[arg-type]


NESTED = _flow(
    _task("start"),
    _task(
        "all",
        arrangement="parallel",
        branches={"tasks": (*_leaves("a", "b"), _task("in", arrangement="sequence", branches={"tasks": _leaves("c", "d")}))},
    ),
    _task("choose", arrangement="if", branches={"then": _leaves("e")}),
    _task(
        "switch", arrangement="switch", branches={"case:x": _leaves("f"), "case:y": _leaves("g", "h"), "defaults": _leaves("i")}
    ),
    _task(
        "graph",
        arrangement="dag",
        branches={"tasks": _leaves("k", "l", "m", "n")},
        depends_on={"l": ("k",), "m": ("k",), "n": ("l", "m")},
    ),
    _task("each", arrangement="each", branches={"tasks": _leaves("o"), "errors": _leaves("p")}),
    errors=_leaves("q"),
    finally_=_leaves("r"),
    after_execution=_leaves("s"),
)


def _overlaps(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def _pairs_of_siblings(root: Box) -> Iterator[tuple[Box, Box]]:
    for box in list_boxes(root):
        yield from itertools.combinations(box.children, 2)


@pytest.mark.parametrize("sideways", [False, True])
def test_boxes_beside_each_other_never_overlap(sideways: bool) -> None:
    pairs = _pairs_of_siblings(arrange_flow(NESTED, sideways=sideways))

    assert [(one.title, other.title) for one, other in pairs if _overlaps(one, other)] == []


def test_an_arrangement_is_kept_for_one_flow_and_one_choice_of_folds_and_direction() -> None:
    same = replace(NESTED)
    kept = recall_arrangement(NESTED)
    group = next(task.id for task in NESTED.all_tasks() if task.branches)

    assert recall_arrangement(NESTED) is kept
    assert recall_arrangement(same) is not kept
    assert recall_arrangement(NESTED, sideways=True) is not kept
    assert len(list(list_boxes(recall_arrangement(NESTED, folded=[group])))) < len(list(list_boxes(kept)))


@pytest.mark.parametrize("sideways", [False, True])
def test_every_box_lies_inside_the_one_that_holds_it(sideways: bool) -> None:
    for box in list_boxes(arrange_flow(NESTED, sideways=sideways)):
        for child in box.children:
            assert box.x - 0.1 <= child.x
            assert child.x + child.width <= box.x + box.width + 0.1
            assert box.y - 0.1 <= child.y
            assert child.y + child.height <= box.y + box.height + 0.1


def test_every_task_is_in_the_picture_once() -> None:
    picture = str(draw_topology(NESTED))

    assert [picture.count(f'id="n-{task.id}"') for task in NESTED.all_tasks()] == [1] * len(list(NESTED.all_tasks()))


def test_a_flow_that_runs_to_the_right_has_the_same_parts_and_no_place_outside_of_the_picture() -> None:
    down, right = str(draw_topology(NESTED)), str(draw_topology(NESTED, sideways=True))
    width, height = (float(number) for number in re.findall(r'viewBox="0 0 (\d+) (\d+)"', right)[0])
    places = [(float(x), float(y)) for x, y in re.findall(r"translate\(([\d.-]+) ([\d.-]+)\)", right)]

    assert width > height
    assert sorted(re.findall(r'id="n-[^"]+"', down)) == sorted(re.findall(r'id="n-[^"]+"', right))
    assert right.count("<path") == down.count("<path")
    assert all(-20 <= x <= width and -20 <= y <= height for x, y in places)


def test_a_path_mirrored_twice_is_the_path() -> None:
    path = "M1.0 2.0V10.0Q1.0 12.0 3.0 12.0H9.0V20.0h7l-3.5 6z"

    assert transpose(path) == "M2.0 1.0H10.0Q12.0 1.0 12.0 3.0V9.0H20.0v7l6 -3.5z"
    assert transpose(transpose(path)) == path


def test_a_dag_that_waits_for_itself_is_still_drawn() -> None:
    circle = _flow(
        _task("graph", arrangement="dag", branches={"tasks": _leaves("a", "b")}, depends_on={"a": ("b",), "b": ("a",)})
    )

    assert 'id="n-a"' in str(draw_topology(circle))


def test_states_colour_what_was_reached_and_fade_the_rest() -> None:
    picture = str(draw_topology(_flow(*_leaves("a", "b")), {"a": NodeState("FAILED", "8.0 s", "?task=1")}))

    assert 'class="node st-failed" id="n-a"' in picture
    assert 'class="node is-unreached" id="n-b"' in picture
    assert 'aria-label="task a, failed, 8.0 s"' in picture


@pytest.mark.parametrize("sideways", [False, True])
def test_the_count_of_a_loop_with_a_long_name_stands_inside_its_frame(sideways: bool) -> None:
    name = "a_loop_with_a_name_that_is_longer_than_its_frame"
    loop = _flow(_task(name, arrangement="each", branches={"tasks": _leaves("o")}))

    picture = str(draw_topology(loop, {name: NodeState("RUNNING", "1234 / 5678")}, fold_link=lambda _: "?", sideways=sideways))

    frame = re.search(r'<g class="frame.*?<rect width="([\d.]+)".*?<text class="head" x="12".*?>(.*?) <tspan.*?'
                      r'<text class="note" x="([\d.]+)" y="\d+">([^<]+)</text>', picture)  # fmt: skip
    assert frame is not None
    width, right = float(frame[1]), float(frame[3])
    # The widest letters in use are 9 units wide in the name, 7 in the count; the type between them has its own room.
    assert 12 + 7.4 * len(frame[2]) + 6.4 * len("Log") <= right - 6.5 * len(frame[4]) < right <= width - 22


def test_a_task_that_starts_a_flow_leads_to_it_unless_an_expression_names_it() -> None:
    facts = {"namespace": "company.team", "flowId": "child"}
    known = _task("call", arrangement="subflow", properties=facts)
    unknown = _task("other", arrangement="subflow", properties={**facts, "flowId": "{{ inputs.flow }}"})

    picture = str(draw_topology(_flow(known, unknown, _task("log", properties=facts))))

    assert re.findall(r'<a class="fold" href="([^"]+)"', picture) == ["/ui/flows/edit/company.team/child"]


def test_a_difference_marks_the_changed_words_only() -> None:
    picture = paint_difference("id: a\nmessage: hello world\n", "id: a\nmessage: hello <there>\n")

    assert "message: hello <mark>world</mark>" in picture
    assert "message: hello <mark>&lt;there&gt;</mark>" in picture
    assert count_changes("a\nb\n", "a\nc\nd\n") == (2, 1)


def test_log_lines_show_colours_and_nothing_else_of_a_terminal() -> None:
    assert paint_message("\x1b[31mred\x1b[0m \x1b[2Jplain") == '<span class="a-1">red</span> plain'
    assert paint_message("a\x00b\u202ec") == "a\\x00b\\x202ec"


def test_a_very_long_log_line_is_cut() -> None:
    entry = LogEntry(id=1, level=2, timestamp=AT, message="x" * 1_000_000)

    assert len(paint_log_lines([entry])) < 10_000


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ("<script>alert(1)</script>", "<script"),
        ("[a](javascript:alert(1))", 'javascript:alert(1)"'),
        ("![a](https://example.org/a.png)", "<img"),
        ("<a href='x' onclick='y'>z</a>", "<a href='x'"),
        ("[a](data:text/html,x)", 'href="data'),
    ],
)
def test_markdown_lets_nothing_through_that_runs(text: str, forbidden: str) -> None:
    assert forbidden not in render_markdown(text)


def test_links_of_markdown_tell_the_other_site_nothing() -> None:
    assert 'rel="noopener noreferrer"' in render_markdown("[a](https://example.org)")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.84, "840 ms"), (12.4, "12.4 s"), (188, "3m 08s"), (7500, "2h 05m"), (273600, "3d 04h"), (-1, "0 ms")],
)
def test_durations_are_written_as_people_read_them(seconds: float, words: str) -> None:
    assert write_duration(timedelta(seconds=seconds)) == words


def _luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_state_colours_have_enough_contrast(look: object) -> None:
    assert _contrast(*look.light) >= 4.5  # type: ignore[attr-defined]
    assert _contrast(*look.dark) >= 4.5  # type: ignore[attr-defined]
    for surface in ("#f6f7f9", "#ffffff", "#151a21"):
        assert _contrast(look.solid, surface) >= 3.0  # type: ignore[attr-defined]


def test_the_style_sheet_holds_the_colours_of_the_table() -> None:
    assert cssmin(STYLES.read_text()) == cssmin(write_style_rules())


def _line(message: str, **fields: object) -> LogEntry:
    return LogEntry(**{"id": 7, "level": 2, "timestamp": AT, "message": message, **fields})  # type: ignore[arg-type]


def test_links_in_log_lines_can_be_followed_and_nothing_else_becomes_one() -> None:
    text = paint_message('see https://a.example/x?y=1&z=2. and javascript:alert(1) "https://b.example"><script>')

    assert '<a href="https://a.example/x?y=1&amp;z=2" target="_blank" rel="noopener noreferrer">' in text
    assert text.count("<a ") == 2
    assert "<script>" not in text


def test_a_json_line_opens_to_its_long_form() -> None:
    text = paint_log_lines([_line('{"a":{"b":"<i>"}}')])

    assert '<details class="l-open"><summary>' in text
    assert "&quot;b&quot;: &quot;&lt;i&gt;&quot;" in text


def test_a_stack_trace_is_folded_after_three_lines() -> None:
    frames = "".join(f'  File "x.py", line {number}\n' for number in range(9))
    trace = f"Traceback (most recent call last):\n{frames}ValueError: no"

    text = paint_log_lines([_line(trace)])

    assert "<summary>8 more lines</summary>" in text


@pytest.mark.parametrize(
    ("searched", "marks"), [("row lost", 2), ('"row 7"', 1), ("/r.w/", 1), ("/(/", 0), ("<b>", 1), ("", 0), ('"', 0)]
)
def test_hits_are_marked_in_the_line(searched: str, marks: int) -> None:
    text = paint_log_lines([_line("row 7 was lost <b>")], marked=searched)

    assert text.count("<mark>") == marks
    assert "<b>" not in text


def _node_states(**states: str) -> dict[str, NodeState]:
    return {name: NodeState(state) for name, state in states.items()}


def test_the_way_an_execution_took_is_drawn_stronger_than_the_others() -> None:
    flow = _flow(_task("choose", arrangement="if", branches={"then": _leaves("a"), "else": _leaves("b")}), _task("later"))

    picture = str(draw_topology(flow, _node_states(choose="SUCCESS", a="SUCCESS")))

    assert 'class="label is-taken"' in picture
    assert 'class="label is-faded"' in picture
    assert picture.count("is-taken") > 3


def test_without_an_execution_no_way_is_taken() -> None:
    picture = str(draw_topology(NESTED))

    assert "is-taken" not in picture
    assert "is-faded" not in picture


def test_a_folded_group_is_one_box_that_says_how_much_it_holds() -> None:
    picture = str(draw_topology(NESTED, folded=["all"], fold_link=lambda name: f"?fold={name}"))

    assert "5 inside" in picture
    assert 'id="n-c"' not in picture
    assert 'aria-label="Show what is in all"' in picture


def test_groups_of_a_very_large_flow_are_folded_until_they_are_opened() -> None:
    groups = [_task(f"g{number}", arrangement="sequence", branches={"tasks": _leaves(f"a{number}")}) for number in range(200)]

    assert len(choose_folds(_flow(*groups))) == 200
    assert "g7" not in choose_folds(_flow(*groups), unfolded=["g7"])
    assert choose_folds(NESTED) == frozenset()


def test_executions_stand_in_layers_after_those_that_started_them() -> None:
    nodes = [GraphNode(name, name, "", "SUCCESS", f"/{name}") for name in "abc"]

    picture = draw_dependencies(nodes, [("a", "b"), ("b", "c"), ("c", "unknown")])

    places = [int(float(found)) for found in re.findall(r"translate\(([\d.]+) ", picture)]
    assert places == sorted(set(places))


def test_a_circle_of_dependencies_is_drawn() -> None:
    nodes = [GraphNode(name, "<b>", "", "", "/") for name in "ab"]

    picture = draw_dependencies(nodes, [("a", "b"), ("b", "a")])

    assert picture.count('class="card"') == 2
    assert "<b>" not in picture


def test_a_relation_over_a_layer_passes_beside_the_node_between() -> None:
    nodes = [GraphNode(name, name, "", "", "/") for name in "abc"]

    picture = draw_dependencies(nodes, [("a", "b"), ("b", "c"), ("a", "c")], dashed=[("a", "c")])

    node_top = float(re.findall(r"translate\([\d.]+ ([\d.]+)\)", picture)[1])
    lane = float(re.findall(r'class="line is-trigger" d="M[^L]*?([\d.]+)L', picture)[0])
    assert not node_top <= lane <= node_top + 46


def test_a_tree_names_the_expression_of_every_value() -> None:
    tree = paint_tree({"list": [{"odd name": "<i>"}]}, owner="run1", way=("doc",), root="outputs.load")

    assert "{{ outputs.load.doc.list[0][&#x27;odd name&#x27;] }}" in tree
    assert "<i>" not in tree


def test_a_long_list_comes_in_parts() -> None:
    tree = paint_tree({"rows": list(range(450))}, owner="run1", way=(), root="outputs.load")
    part = paint_branch(list(range(450)), owner="run1", way=("rows",), root="outputs.load", start=400)

    assert "250 more" in tree
    assert part.count("t-leaf") == 50


def test_a_secret_in_a_tree_is_not_shown() -> None:
    sealed = {"type": ENVELOPE_TYPE, "value": "c2VjcmV0"}

    assert "c2VjcmV0" not in paint_tree({"a": sealed, "b": [sealed]}, owner="r", way=(), root="outputs.x")
