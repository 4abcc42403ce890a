"""From a typed flow to boxes with places: a series-parallel layout, measured bottom-up and placed top-down, not drawn."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from flows.language.flow import Flow, Task

NODE_WIDTH, NODE_HEIGHT = 196, 44
DOT = 8
GAP = 26
LANE_GAP = 22
PAD = 14
HEAD = 26
FORK = 24
LABEL = 18
LONGEST_LABEL = 16
LONGEST_HEAD, LONGEST_KIND = 28, 22
"""Characters of the name and of the type that the head of a frame shows."""

FOLD_ABOVE = 300
NOTE_WIDTH, FOLD_WIDTH = 76, 22

_SIDE_BRANCHES = ("errors", "finally")
_LANES = frozenset({"if", "switch", "approval", "pause"})
_SIDE_TITLES = {"errors": "on failure", "finally": "always at the end", "afterExecution": "after the execution"}

Point = tuple[float, float]


@dataclass(slots=True)
class Box:
    """
    One drawn thing. `kind` is `task`, `dot`, `group` (a frame with a head), `column` (one below the other), `fan` (lanes side
    by side between a fork and a join) or `dag`. Places are absolute once `place` has run.
    """

    kind: str
    task: Task | None = None
    title: str = ""
    subtitle: str = ""
    children: list[Box] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    wires: list[tuple[int, int]] = field(default_factory=list)
    layers: list[list[int]] = field(default_factory=list)
    is_dashed: bool = False
    is_folded: bool = False
    width: float = 0
    height: float = 0
    x: float = 0
    y: float = 0

    @property
    def middle(self) -> float:
        """The vertical axis on which lines enter and leave."""
        return self.x + self.width / 2


def arrange_flow(flow: Flow, *, folded: Collection[str] = (), sideways: bool = False) -> Box:
    """
    Return the whole flow as one measured and placed box: the main column, and below it the columns of the handlers.

    Args:
        folded: ids of groups that are drawn as one box, without what they hold.
        sideways: the flow runs to the right; boxes keep the shape in which they are read.
    """
    return _arrange_whole(_fold_tasks(flow.tasks, frozenset(folded)), flow, sideways=sideways)


class _Same:
    """A flow that equals only itself: comparing two large ones by what they hold would cost more than a layout."""

    __slots__ = ("flow",)

    def __init__(self, flow: Flow) -> None:
        self.flow = flow

    def __hash__(self) -> int:
        return id(self.flow)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.flow is self.flow


def recall_arrangement(flow: Flow, *, folded: Collection[str] = (), sideways: bool = False) -> Box:
    """Return what `arrange_flow` returns, the same boxes for the same flow object: they are for reading only."""
    return _arrange_once(_Same(flow), frozenset(folded), sideways)


@lru_cache(maxsize=32)
def _arrange_once(same: _Same, folded: frozenset[str], sideways: bool) -> Box:
    return arrange_flow(same.flow, folded=folded, sideways=sideways)


def choose_folds(flow: Flow, *, folded: Collection[str] = (), unfolded: Collection[str] = ()) -> frozenset[str]:
    """Return which groups to fold: those that were asked for, and in a flow of more than 300 tasks all that were not unfolded."""
    tasks = list(flow.all_tasks())
    groups = {task.id for task in tasks if any(task.branches.values())}
    if len(tasks) > FOLD_ABOVE:
        return frozenset(groups - set(unfolded))
    return frozenset(groups & set(folded))


def _arrange_whole(boxes: Sequence[Box], flow: Flow, *, sideways: bool) -> Box:
    main = [Box("dot"), *boxes, Box("dot")]
    parts: list[Box] = [Box("column", children=main)]
    for name, tasks in (("errors", flow.errors), ("finally", flow.finally_), ("afterExecution", flow.after_execution)):
        if tasks:
            parts.append(_frame(None, name, _SIDE_TITLES[name], [_arrange_column(tasks)], is_dashed=True))
    whole = Box("stack", children=parts)
    _measure(whole, sideways)
    _place(whole, 0, 0, sideways)
    return whole


def list_boxes(root: Box) -> Iterable[Box]:
    """Yield every box, a frame before what it holds."""
    yield root
    for child in root.children:
        yield from list_boxes(child)


def _fold_tasks(tasks: Sequence[Task], folded: frozenset[str]) -> list[Box]:
    return [_fold_task(task, folded) for task in tasks]


def _fold_task(task: Task, folded: frozenset[str]) -> Box:
    if task.id in folded:
        count = _count_inside(task)
        return Box("task", task=task, title=task.id, subtitle=f"{count} inside", is_folded=True)
    return _arrange_task(task, folded)


def _count_inside(task: Task) -> int:
    return sum(1 + _count_inside(child) for children in task.branches.values() for child in children)


def _arrange_column(tasks: Sequence[Task], folded: frozenset[str] = frozenset()) -> Box:
    return Box("column", children=_fold_tasks(tasks, folded))


def _arrange_task(task: Task, folded: frozenset[str] = frozenset()) -> Box:
    main = {name: tasks for name, tasks in task.branches.items() if tasks and name not in _SIDE_BRANCHES}
    side = {name: tasks for name, tasks in task.branches.items() if tasks and name in _SIDE_BRANCHES}
    if not main and not side:
        return Box("task", task=task, title=task.id, subtitle=task.type.rpartition(".")[2])
    parts = [_arrange_branches(task, main, folded)] if main else []
    parts += [
        _frame(None, name, _SIDE_TITLES[name], [_arrange_column(tasks, folded)], is_dashed=True) for name, tasks in side.items()
    ]
    return _frame(task, task.id, task.type.rpartition(".")[2], parts)


def _arrange_branches(task: Task, main: Mapping[str, tuple[Task, ...]], folded: frozenset[str]) -> Box:
    if task.arrangement == "dag":
        return _arrange_dag(task, main.get("tasks", ()), folded)
    if task.arrangement == "parallel" and list(main) == ["tasks"]:
        lanes = [Box("column", children=[box]) for box in _fold_tasks(main["tasks"], folded)]
        return Box("fan", children=lanes, labels=["" for _ in lanes])
    if len(main) == 1 and task.arrangement not in _LANES:
        return _arrange_column(next(iter(main.values())), folded)
    names = list(main)
    lanes = [_arrange_column(main[name], folded) for name in names]
    labels = [name.removeprefix("case:") for name in names]
    if task.arrangement == "if" and "else" not in main:
        lanes.append(Box("column"))
        labels.append("else")
    return Box("fan", children=lanes, labels=labels)


def _arrange_dag(task: Task, tasks: Sequence[Task], folded: frozenset[str]) -> Box:
    numbers = {child.id: index for index, child in enumerate(tasks)}
    needs = {numbers[name]: [numbers[other] for other in task.depends_on.get(name, ()) if other in numbers] for name in numbers}
    depth: dict[int, int] = {}

    def depth_of(index: int, seen: frozenset[int]) -> int:
        if index not in depth:
            # A circle is refused when a flow is saved; a picture of a draft must not fail on one.
            inner = [depth_of(other, seen | {index}) for other in needs[index] if other not in seen]
            depth[index] = 1 + max(inner, default=-1)
        return depth[index]

    layers: list[list[int]] = []
    for index in range(len(tasks)):
        level = depth_of(index, frozenset())
        while len(layers) <= level:
            layers.append([])
        layers[level].append(index)
    wires = [(other, index) for index, others in needs.items() for other in others]
    return Box("dag", children=_fold_tasks(tasks, folded), wires=wires, layers=[layer for layer in layers if layer])


def _frame(task: Task | None, title: str, subtitle: str, parts: list[Box], *, is_dashed: bool = False) -> Box:
    return Box("group", task=task, title=title, subtitle=subtitle, children=parts, is_dashed=is_dashed)


def _measure(box: Box, sideways: bool) -> None:
    for child in box.children:
        _measure(child, sideways)
    if box.kind == "task":
        box.width, box.height = (NODE_HEIGHT, NODE_WIDTH) if sideways else (NODE_WIDTH, NODE_HEIGHT)
    elif box.kind == "dot":
        box.width = box.height = DOT
    elif box.kind == "stack" and sideways:
        # The handlers stand below the main line, whichever way it runs.
        box.width = sum(child.width for child in box.children) + GAP * max(0, len(box.children) - 1)
        box.height = max(child.height for child in box.children)
    elif box.kind in ("column", "stack"):
        gap = GAP if box.kind == "column" else GAP * 1.5
        box.width = max((child.width for child in box.children), default=NODE_HEIGHT if sideways else NODE_WIDTH * 0.4)
        box.height = sum(child.height for child in box.children) + gap * max(0, len(box.children) - 1)
    elif box.kind == "group":
        inner = max((child.width for child in box.children), default=NODE_WIDTH)
        content = sum(child.height for child in box.children) + GAP * max(0, len(box.children) - 1)
        head = _head_width(box)
        if sideways:
            box.width, box.height = inner + 2 * HEAD, max(content + 2 * PAD, head)
        else:
            box.width, box.height = max(inner + 2 * PAD, head), HEAD + PAD + content
    elif box.kind == "fan":
        box.width = sum(lane.width for lane in box.children) + LANE_GAP * (len(box.children) - 1)
        box.height = max(lane.height for lane in box.children) + 2 * FORK + DOT + label_space(box, sideways=sideways)
    elif box.kind == "dag":
        rows = [[box.children[index] for index in layer] for layer in box.layers]
        box.width = max(sum(one.width for one in row) + LANE_GAP * (len(row) - 1) for row in rows)
        box.height = sum(max(one.height for one in row) for row in rows) + GAP * 1.6 * (len(rows) - 1)


def _head_width(group: Box) -> float:
    """Return how wide a frame must be for its name, its type and, when it is a task, its count and the button that folds it."""
    words = 7.4 * min(len(group.title), LONGEST_HEAD) + 6.4 * min(len(group.subtitle), LONGEST_KIND)
    return words + 30 + (NOTE_WIDTH + FOLD_WIDTH if group.task is not None else 0)


def label_width(text: str) -> float:
    """Return how wide the pill with the name of a lane is."""
    return 14 + 6.6 * min(len(text), LONGEST_LABEL)


def label_space(fan: Box, *, sideways: bool) -> float:
    """Return how much room the names of the lanes take on the way from the fork to the lanes."""
    if not any(fan.labels):
        return 0
    return max(label_width(text) for text in fan.labels) + 10 if sideways else LABEL


def _place(box: Box, x: float, y: float, sideways: bool) -> None:
    box.x, box.y = x, y
    if box.kind == "stack" and sideways:
        for child in box.children:
            _place(child, x, y, sideways)
            x += child.width + GAP
    elif box.kind in ("column", "stack", "group"):
        gap = GAP * 1.5 if box.kind == "stack" else GAP
        top = y + (HEAD if box.kind == "group" else 0)
        if box.kind == "group" and sideways:
            content = sum(child.height for child in box.children) + gap * max(0, len(box.children) - 1)
            top = y + (box.height - content) / 2
        for child in box.children:
            _place(child, x + (box.width - child.width) / 2, top, sideways)
            top += child.height + gap
    elif box.kind == "fan":
        left = x
        for lane in box.children:
            _place(lane, left, y + FORK + DOT / 2 + label_space(box, sideways=sideways), sideways)
            left += lane.width + LANE_GAP
    elif box.kind == "dag":
        top = y
        for layer in box.layers:
            row = [box.children[index] for index in layer]
            left = x + (box.width - sum(one.width for one in row) - LANE_GAP * (len(row) - 1)) / 2
            height = max(one.height for one in row)
            for one in row:
                _place(one, left, top + (height - one.height) / 2, sideways)
                left += one.width + LANE_GAP
            top += height + GAP * 1.6
