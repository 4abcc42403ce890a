"""Writing YAML: reading it again gives the same data and the same flow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flows.language.dump import dump_data, dump_flow
from flows.language.flow import Flow, Task
from flows.language.parse import parse_flow
from flows.language.source import read_document
from flows.plugin_api.registry import Registry

TRICKY = [
    "no",
    "1_000",
    "0o7",
    "1e5",
    "12:30",
    "<<",
    "~",
    "",
    " x",
    "x ",
    "a: b",
    "# c",
    "{{ x }}",
    "- a",
    "a\nb\n",
    "a\n",
    "\n",
    "2031-05-04",
]
TEXTS = st.one_of(st.sampled_from(TRICKY), st.text(max_size=20).filter(lambda text: text.isprintable() or "\n" in text))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8)
IDS = st.from_regex(r"[a-z][a-z0-9_-]{0,6}", fullmatch=True)


@given(st.dictionaries(TEXTS, DATA, max_size=4))
def test_written_data_reads_back(data: dict[str, Any]) -> None:
    document = read_document(dump_data(data))

    assert ([], data if data else {}) == (document.problems, document.data)


def make_task(draw: st.DrawFn, names: list[str], depth: int) -> dict[str, Any]:
    name = names.pop()
    kind = draw(
        st.sampled_from(["log", "return", "sequence", "switch", "dag"] if depth and len(names) > 1 else ["log", "return"])
    )
    core = "io.kestra.plugin.core"
    if kind == "log":
        return {"id": name, "type": f"{core}.log.Log", "message": draw(TEXTS), "allowFailure": draw(st.booleans())}
    if kind == "return":
        retry = {"type": "constant", "interval": draw(st.sampled_from(["PT1S", 5, "P1D"]))}
        return {"id": name, "type": f"{core}.debug.Return", "format": draw(SCALARS), "retry": retry}
    child = make_task(draw, names, depth - 1)
    if kind == "sequence":
        return {"id": name, "type": f"{core}.flow.Sequential", "tasks": [child], "when": draw(TEXTS)}
    if kind == "switch":
        return {"id": name, "type": f"{core}.flow.Switch", "value": "x", "cases": {draw(TEXTS): [child]}}
    return {"id": name, "type": f"{core}.flow.Dag", "tasks": [{"task": child, "dependsOn": []}]}


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(IDS, min_size=4, max_size=8, unique=True))
    data: dict[str, Any] = {"id": draw(IDS), "namespace": "a.b", "tasks": []}
    while len(names) > 2:
        data["tasks"].append(make_task(draw, names, 2))
    if draw(st.booleans()):
        data["labels"] = {draw(IDS): draw(st.sampled_from(["a", 1, True, "no"]))}
    if draw(st.booleans()):
        data["variables"] = draw(st.dictionaries(TEXTS, DATA, max_size=3))
    if draw(st.booleans()):
        data["inputs"] = [{"id": draw(IDS), "type": "STRING", "defaults": draw(TEXTS)}]
    return data


def without_positions(flow: Flow) -> Flow:
    def strip(tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        return tuple(
            replace(task, position=(1, 1), branches={name: strip(inner) for name, inner in task.branches.items()})
            for task in tasks
        )

    return replace(flow, tasks=strip(flow.tasks))


@given(data=documents())
def test_a_written_flow_parses_to_the_same_flow(data: dict[str, Any], registry: Registry) -> None:
    first = parse_flow(dump_data(data), registry).flow
    if first is None:
        return

    second = parse_flow(dump_flow(first), registry).flow

    assert second is not None
    assert without_positions(first) == without_positions(second)


def test_a_canonical_flow_is_easy_to_read(registry: Registry) -> None:
    text = (
        'tasks:\n- {message: "a\\nb\\n", id: x, type: io.kestra.plugin.core.log.Log}\nlabels: {on: "no"}\nnamespace: a\nid: f\n'
        "# comment\n"
    )
    flow = parse_flow(text, registry).flow
    assert flow is not None

    assert dump_flow(flow) == (
        "id: f\nnamespace: a\nlabels:\n- key: 'on'\n  value: 'no'\ntasks:\n- id: x\n  type: io.kestra.plugin.core.log.Log\n"
        "  message: |\n    a\n    b\n"
    )
