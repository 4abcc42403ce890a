"""Drawn flows, measured: what is in the picture, what is joined to what, and that nothing lies on anything else."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import ENDED, send, start_execution, wait_for_state
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
DRAWING = (Path(__file__).parent / "drawing.js").read_text()
NAMESPACE = "e2e.topology"
CORE = "io.kestra.plugin.core"
SLACK = 1.5
"""Half a line's width and a rounding, in pixels."""

HEAD = f"id: drawn\nnamespace: {NAMESPACE}\ntasks:\n"
LEAF = f"{{id: %s, type: {CORE}.log.Log, message: x}}"


def _flow(*tasks: str, more: str = "") -> str:
    return HEAD + "".join(f"  - {task}\n" for task in tasks) + more


def _leaf(name: str) -> str:
    return LEAF % name


def _group(name: str, kind: str, *tasks: str, more: str = "") -> str:
    return f"{{id: {name}, type: {CORE}.flow.{kind}, {more}tasks: [{', '.join(tasks)}]}}"


FLOWS = {
    "a chain": _flow(_leaf("a"), _leaf("b"), _leaf("c")),
    "parallel branches": _flow(_leaf("a"), _group("all", "Parallel", _leaf("b"), _leaf("c"), _leaf("d")), _leaf("e")),
    "a sequence in a group": _flow(_leaf("a"), _group("inner", "Sequential", _leaf("b"), _leaf("c")), _leaf("d")),
    "a choice": _flow(
        f"{{id: choose, type: {CORE}.flow.If, condition: 'true', then: [{_leaf('yes_')}], else: [{_leaf('no_')}]}}", _leaf("end")
    ),
    "a switch": _flow(
        f"{{id: which, type: {CORE}.flow.Switch, value: x, cases: {{x: [{_leaf('b')}], y: [{_leaf('c')}, {_leaf('d')}]}}, "
        f"defaults: [{_leaf('e')}]}}"
    ),
    "a graph": _flow(
        f"{{id: graph, type: {CORE}.flow.Dag, tasks: [{{task: {_leaf('a')}}}, {{task: {_leaf('b')}, dependsOn: [a]}}, "
        f"{{task: {_leaf('c')}, dependsOn: [a]}}, {{task: {_leaf('d')}, dependsOn: [b, c]}}]}}"
    ),
    "a loop": _flow(_group("each", "ForEach", _leaf("a"), _leaf("b"), more="values: [1, 2], "), _leaf("c")),
    "handlers": _flow(
        _leaf("a"), more=f"errors:\n  - {_leaf('b')}\nfinally:\n  - {_leaf('c')}\nafterExecution:\n  - {_leaf('d')}\n"
    ),
    "every kind of group": _flow(
        _group("sequence", "Sequential", _leaf("s1"), _leaf("s2")),
        _group("parallel", "Parallel", _leaf("p1"), _group("in_parallel", "Sequential", _leaf("p2"), _leaf("p3"))),
        _group("each", "ForEach", _group("twice", "ForEach", _leaf("f1"), more="values: [1], "), more="values: [1, 2], "),
        _group("sequential", "EachSequential", _leaf("es"), more="value: '[1]', "),
        _group("side_by_side", "EachParallel", _leaf("ep"), more="value: '[1]', "),
        _group("until", "LoopUntil", _leaf("lu"), more="condition: 'true', "),
        _group("folder", "WorkingDirectory", "{id: wd, type: io.kestra.plugin.scripts.shell.Commands, commands: [ls]}"),
        _group("allowed", "AllowFailure", _leaf("af"), more=f"errors: [{_leaf('on_error')}], "),
        f"{{id: choose, type: {CORE}.flow.If, condition: 'true', then: [{_leaf('t1')}]}}",
        f"{{id: called, type: {CORE}.flow.Subflow, namespace: {NAMESPACE}, flowId: other}}",
        f"{{id: wait, type: {CORE}.flow.Pause}}",
        more=f"triggers:\n  - {{id: nightly, type: {CORE}.trigger.Schedule, cron: '0 3 * * *'}}\n"
        f"  - {{id: hook, type: {CORE}.trigger.Webhook, key: abcdefgh}}\nerrors:\n  - {_leaf('alarm')}\n"
        f"finally:\n  - {_leaf('clean')}\n",
    ),
}
EDGES = {
    "a chain": "a-b b-c",
    "parallel branches": "a-all all-e",
    "a sequence in a group": "a-inner b-c inner-d",
    "a choice": "choose-end",
    "a switch": "c-d",
    "a graph": "a-b a-c b-d c-d",
    "a loop": "a-b each-c",
}
"""Lines from box to box; branches hang on dots and are counted by their lanes."""


@dataclass
class Box:
    """A thing drawn, by its edges in pixels."""

    id: str
    left: float
    top: float
    right: float
    bottom: float
    words: str = ""
    classes: str = ""
    label: str = ""

    def holds(self, x: float, y: float, slack: float = 0.0) -> bool:
        """Tell whether a point lies in the box, which is made larger by `slack` on each side."""
        return self.left - slack < x < self.right + slack and self.top - slack < y < self.bottom + slack

    def overlaps(self, other: Box) -> bool:
        """Tell whether two boxes share an area."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > 0.5 and down > 0.5

    def contains(self, other: Box) -> bool:
        """Tell whether the other box lies within this one."""
        return self.left <= other.left and other.right <= self.right and self.top <= other.top and other.bottom <= self.bottom


@dataclass
class Drawing:
    """A picture, measured."""

    nodes: list[Box]
    frames: list[Box]
    triggers: list[Box]
    dots: list[Box]
    labels: list[str]
    lines: list[list[tuple[float, float]]]
    picture: Box

    def find_crossings(self) -> list[str]:
        """Return what lies on something else, as lines to read."""
        found = []
        for one, other in itertools.combinations([*self.nodes, *self.triggers], 2):
            if one.overlaps(other):
                found.append(f"{one.id} overlaps {other.id}")
        for frame, box in itertools.product(self.frames, [*self.nodes, *self.frames]):
            if frame is not box and frame.overlaps(box) and not frame.contains(box) and not box.contains(frame):
                found.append(f"{box.id} lies half in {frame.id}")
        for box in [*self.nodes, *self.frames, *self.triggers]:
            if not self.picture.contains(box):
                found.append(f"{box.id} lies outside the picture")
        for line in self.lines:
            for node in [*self.nodes, *self.triggers]:
                if any(node.holds(x, y, -SLACK) for x, y in line):
                    found.append(f"a line to {line[-1]} crosses {node.id}")
            for frame in self.frames:
                inside = [frame.holds(x, y, -SLACK) for x, y in line]
                if any(inside) and not all(frame.holds(x, y, SLACK) for x, y in line):
                    found.append(f"a line to {line[-1]} crosses the edge of {frame.id}")
        return found

    def list_edges(self) -> set[str]:
        """Return the lines from box to box as `a-b`."""
        boxes = [*self.nodes, *self.frames]
        return {
            f"{above.id}-{below.id}"
            for line in self.lines
            for above in boxes
            for below in boxes
            if _touches(above.bottom, above, line[0]) and _touches(below.top, below, line[-1])
        }


def _touches(edge: float, box: Box, point: tuple[float, float]) -> bool:
    return abs(point[1] - edge) < 3 and box.left - SLACK < point[0] < box.right + SLACK


def _measure(page: Page) -> Drawing:
    found = page.evaluate(DRAWING)
    boxes = {name: [Box(**one) for one in found[name]] for name in ("nodes", "frames", "triggers")}
    dots = [Box("", **one) for one in found["dots"]]
    lines = [[(x, y) for x, y in line] for line in found["lines"]]
    return Drawing(**boxes, dots=dots, labels=found["labels"], lines=lines, picture=Box("picture", **found["picture"]))


def _check(console: Watched, source: str) -> dict[str, Any]:
    """Send a text as the editor does and return the answer."""
    if not console.page.url.startswith(console.base_url):
        console.open("settings")
    token = console.page.locator("meta[name=csrf-token]").get_attribute("content") or ""
    answer = console.page.context.request.post(
        f"{console.base_url}/ui/flows/check", data=source, headers={"X-CSRFToken": token, "Referer": console.base_url}
    )
    assert answer.status == 200, answer.text()[:300]
    return dict(answer.json())


def _draw(console: Watched, source: str) -> Drawing:
    answer = _check(console, source)
    assert "picture" in answer, [problem["message"] for problem in answer["problems"]]
    console.page.evaluate("svg => document.querySelector('main').innerHTML = svg", answer["picture"])
    return _measure(console.page)


def _groups_of(drawing: Drawing) -> dict[str, set[str]]:
    """Return for every frame the ids of the boxes in it."""
    return {
        frame.id: {box.id for box in [*drawing.nodes, *drawing.frames] if box is not frame and frame.contains(box)}
        for frame in drawing.frames
    }


@pytest.mark.parametrize("name", FLOWS)
def test_nothing_lies_on_anything_else(console: Watched, name: str) -> None:
    drawing = _draw(console, FLOWS[name])

    assert drawing.find_crossings() == []
    assert drawing.lines or len(drawing.nodes) == 1


@pytest.mark.parametrize("name", EDGES)
def test_what_follows_is_joined(console: Watched, name: str) -> None:
    drawing = _draw(console, FLOWS[name])

    assert drawing.list_edges() == set(EDGES[name].split())


def test_groups_hold_their_tasks(console: Watched) -> None:
    drawing = _draw(console, FLOWS["every kind of group"])
    held = _groups_of(drawing)

    assert held["sequence"] == {"s1", "s2"}
    assert held["parallel"] == {"p1", "in_parallel", "p2", "p3"}
    assert held["in_parallel"] == {"p2", "p3"}
    assert held["each"] == {"twice", "f1"}
    assert held["sequential"] == {"es"}
    assert held["side_by_side"] == {"ep"}
    assert held["until"] == {"lu"}
    assert held["folder"] == {"wd"}
    assert held["allowed"] >= {"af", "on_error"}
    assert held["choose"] == {"t1"}
    assert {"called", "wait"} <= {node.id for node in drawing.nodes}
    assert [trigger.id for trigger in drawing.triggers] == ["trigger nightly", "trigger hook"]
    assert all(trigger.bottom <= min(node.top for node in drawing.nodes) for trigger in drawing.triggers)


def test_branches_have_a_lane_and_a_word_each(console: Watched) -> None:
    choice, switch = _draw(console, FLOWS["a choice"]), _draw(console, FLOWS["a switch"])

    assert choice.labels == ["then", "else"]
    assert [label.removeprefix("case ") for label in switch.labels] == ["x", "y", "defaults"]
    tops = {node.id: node.top for node in switch.nodes}
    assert tops["b"] == tops["c"] == tops["e"] < tops["d"]


def test_handlers_stand_below_the_chain_in_frames_of_their_own(console: Watched) -> None:
    drawing = _draw(console, FLOWS["handlers"])
    chain = next(node for node in drawing.nodes if node.id == "a")
    frames = [frame for frame in drawing.frames if "is-side" in frame.classes]

    assert len(frames) == 3
    assert all(frame.top > chain.bottom for frame in frames)
    assert {node.id for frame in frames for node in drawing.nodes if frame.contains(node)} == {"b", "c", "d"}


def test_an_unknown_type_is_drawn_as_a_task(console: Watched) -> None:
    source = _flow(_leaf("a"), "{id: strange, type: com.example.not.Installed}", _leaf("c"))
    answer = _check(console, source)

    assert [problem["line"] for problem in answer["problems"] if problem["severity"] == "error"] == [5]
    drawing = _draw(console, source)
    assert [node.id for node in drawing.nodes] == ["a", "strange", "c"]
    assert drawing.list_edges() == {"a-strange", "strange-c"}


@pytest.mark.parametrize("folder", ["examples", "blueprints"])
def test_every_flow_that_comes_with_the_product_is_drawn_cleanly(console: Watched, folder: str) -> None:
    faults = []
    for path in sorted((ROOT / folder).rglob("*.y*ml")):
        text = path.read_text()
        if not re.search(r"^tasks:", text, re.MULTILINE):
            continue
        answer = _check(console, text)
        if "picture" in answer:
            console.page.evaluate("svg => document.querySelector('main').innerHTML = svg", answer["picture"])
            faults += [f"{path.name}: {fault}" for fault in _measure(console.page).find_crossings()]

    assert "\n".join(faults) == ""


def test_five_hundred_tasks_are_drawn_cleanly(console: Watched) -> None:
    lanes = [_group(f"lane{n}", "Sequential", *(_leaf(f"t{n}_{step}") for step in range(24))) for n in range(20)]
    drawing = _draw(console, _flow(_leaf("start"), _group("all", "Parallel", *lanes), _leaf("end")))
    shown = {node.id for node in drawing.nodes}

    # Above 300 boxes groups are folded, and every group keeps its name.
    assert {"start", "end"} <= shown
    assert {box.id for box in [*drawing.nodes, *drawing.frames]} >= {f"lane{n}" for n in range(20)} | {"all"} or "all" in shown
    assert drawing.find_crossings() == []


def test_an_execution_colours_its_picture(console: Watched, running_system: SystemProcess) -> None:
    source = _flow(
        _leaf("a"),
        f"{{id: choose, type: {CORE}.flow.If, condition: 'true', then: [{_leaf('taken')}], else: [{_leaf('left_out')}]}}",
        _group("each", "ForEach", _leaf("one"), more="values: [1, 2, 3], "),
        f"{{id: burn, type: {CORE}.execution.Fail}}",
        _leaf("never"),
    ).replace("id: drawn", "id: coloured")
    send(running_system, "POST", "/flows", source)
    execution = start_execution(running_system, f"{NAMESPACE}/coloured")
    wait_for_state(running_system, execution, *ENDED)
    page = console.page
    console.open(f"executions/{execution}/topology")

    assert _measure(page).find_crossings() == []
    for task, look in {
        "a": "st-good",
        "taken": "st-good",
        "burn": "st-failed",
        "left_out": "is-unreached",
        "never": "is-unreached",
    }.items():
        expect(page.locator(f"#n-{task}")).to_have_class(re.compile(rf"\b{look}\b"))
    expect(page.locator("#n-burn")).to_have_attribute("aria-label", re.compile("task burn, failed"))
    expect(page.locator("#n-each")).to_contain_text("3 / 3")
    assert page.locator(".line.is-taken").count() > 3
    assert page.locator(".line.is-faded").count() > 1

    page.locator("#n-burn").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".drawer")).to_contain_text("burn")
    page.keyboard.press("Escape")
    expect(page.locator(".drawer")).to_have_count(0)
    assert console.faults == []


def test_the_picture_zooms_finds_a_task_and_becomes_a_table(console: Watched, running_system: SystemProcess) -> None:
    send(running_system, "POST", "/flows", FLOWS["every kind of group"].replace("id: drawn", "id: looked_at"))
    send(running_system, "POST", "/flows", FLOWS["a chain"].replace("id: drawn", "id: other"))
    execution = start_execution(running_system, f"{NAMESPACE}/looked_at")
    wait_for_state(running_system, execution, "PAUSED", *ENDED)
    page = console.page
    console.open(f"executions/{execution}/topology")
    width = "document.querySelector('svg.topology').getBoundingClientRect().width"
    before = page.evaluate(width)
    page.click("[data-zoom=in]")
    page.click("[data-zoom=in]")
    assert page.evaluate(width) > before * 1.3
    page.click("[data-zoom=fit]")
    assert abs(page.evaluate(width) - before) < 2
    page.fill("#find-node", "on_err")
    expect(page.locator(".node.is-lit")).to_have_count(1)
    with page.expect_download() as download:
        page.click("[data-export=svg]")
    assert Path(download.value.path()).read_text().startswith("<svg")
    with page.expect_download() as download:
        page.click("[data-export=png]")
    assert Path(download.value.path()).read_bytes()[:4] == b"\x89PNG"

    page.locator("main a:has-text('Table')").first.click()

    expect(page.locator("table.list td", has_text="side_by_side")).to_be_visible()
    assert console.faults == []


def test_what_is_under_the_pointer_stays_there_while_the_picture_grows(console: Watched, running_system: SystemProcess) -> None:
    send(running_system, "POST", "/flows", _flow(*(_leaf(f"step{number}") for number in range(30))))
    execution = start_execution(running_system, f"{NAMESPACE}/drawn")
    wait_for_state(running_system, execution, "SUCCESS")
    page = console.page
    console.open(f"executions/{execution}/topology")
    before = page.locator("#n-step5 .card").bounding_box()
    assert before is not None
    x, y = before["x"] + before["width"] / 2, before["y"] + before["height"] / 2
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    for _ in range(6):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")

    # It is stretched at first and laid out anew afterwards; both look the same.
    for settled in (False, True):
        if settled:
            expect(page.locator("svg.topology")).to_have_css("transform", "none")
        after = page.locator("#n-step5 .card").bounding_box()
        assert after is not None
        assert after["width"] > before["width"] * 1.5
        assert abs(after["y"] + after["height"] / 2 - y) < 4
    assert console.faults == []


def test_groups_fold_and_called_flows_open_in_place(console: Watched, running_system: SystemProcess) -> None:
    inner = _flow(_leaf("inside")).replace("id: drawn", "id: called")
    call = f"{{id: call, type: {CORE}.flow.Subflow, namespace: {NAMESPACE}, flowId: called, wait: true}}"
    outer = _flow(_group("together", "Sequential", _leaf("held")), call).replace("id: drawn", "id: calling")
    for source in (inner, outer):
        send(running_system, "POST", "/flows", source)
    execution = start_execution(running_system, f"{NAMESPACE}/calling")
    wait_for_state(running_system, execution, "SUCCESS")
    page = console.page
    console.open(f"executions/{execution}/topology")
    page.get_by_role("link", name="Fold together").click()
    expect(page.locator("#n-held")).to_have_count(0)
    page.get_by_role("link", name="Show what is in call").click()
    expect(page.locator("[id='n-call/inside'].st-good")).to_be_visible()
    assert "open=call" in page.url and "fold=together" in page.url
    page.reload()
    expect(page.locator("[id='n-call/inside'] .name")).to_have_text("inside")
    page.get_by_role("link", name="Fold call").click()

    expect(page.locator("#n-call")).to_be_visible()
    expect(page.get_by_role("link", name="Open flow called")).to_have_attribute("href", f"/ui/flows/edit/{NAMESPACE}/called")
    assert console.faults == []
