"""Random flows for property tests: nested flowables of every kind whose leaves end as a table says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

from flows.language.flow import Flow, Task
from flows.primitives.states import State

from .rehearsal import Key, group, leaf, make_flow, retry_of

_KINDS = ("sequence", "parallel", "dag", "if", "each", "allow-failure")
_ENDS = [
    (State.SUCCESS,),
    (State.SUCCESS,),
    (State.WARNING,),
    (State.FAILED,),
    (State.FAILED, State.SUCCESS),
    (State.FAILED, State.FAILED, State.WARNING),
]


class Case:
    """A flow and how its leaves end: by task id three lists of attempts, chosen by the values of the loops around a leaf."""

    def __init__(self, flow: Flow, table: dict[str, list[tuple[State, ...]]]) -> None:
        self.flow = flow
        self.table = table

    def __repr__(self) -> str:
        flow = self.flow
        lists = {"tasks": flow.tasks, "errors": flow.errors, "finally": flow.finally_, "afterExecution": flow.after_execution}
        return "\n".join(line for name, tasks in lists.items() for line in self._outline(name, tasks, 0))

    def _outline(self, name: str, tasks: Sequence[Task], depth: int) -> Iterator[str]:
        if tasks:
            yield f"{'  ' * depth}{name}:"
        for task in tasks:
            told = {
                "kind": task.type if task.arrangement == "each" else task.arrangement,
                "ends": " | ".join(",".join(ends) for ends in self.table.get(task.id, ())),
                "retry": task.retry and task.retry.max_attempts,
                "flags": [n for n in ("when", "disabled", "allow_failure", "allow_warning") if getattr(task, n)],
                **task.properties,
                "depends_on": dict(task.depends_on),
            }
            yield f"{'  ' * depth}- {task.id} " + " ".join(f"{key}={value}" for key, value in told.items() if value)
            for branch, children in task.branches.items():
                yield from self._outline(branch, children, depth + 1)

    def results(self, task_id: str, path: tuple[str, ...]) -> tuple[State, ...]:
        """Return the ends of the attempts of one leaf."""
        return self.table[task_id][sum(int(value) for value in path) % 3]

    def end_attempt(self, key: Key, attempt: int) -> State:
        """Return the end of one attempt, from 1."""
        ends = self.results(*key)
        return ends[min(attempt, len(ends)) - 1]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Flows of up to about twenty leaves, three flowables deep."""
    maker = _Maker(draw)
    flow = make_flow(
        *maker.tasks(depth=3, most=3),
        errors=tuple(maker.tail()),
        finally_=tuple(maker.tail()),
        after_execution=tuple(maker.tail()),
    )
    return Case(flow, maker.table)


class _Maker:
    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.table: dict[str, list[tuple[State, ...]]] = {}
        self.count = 0

    def tasks(self, *, depth: int, most: int) -> list[Task]:
        return [self.task(depth) for _ in range(self.draw(st.integers(1, most)))]

    def tail(self) -> list[Task]:
        return self.tasks(depth=1, most=2) if self.chance(4) else []

    def task(self, depth: int) -> Task:
        self.count += 1
        task_id = f"t{self.count}"
        common = self.common()
        if depth == 0 or self.chance(2):
            self.table[task_id] = [self.draw(st.sampled_from(_ENDS)) for _ in range(3)]
            return leaf(task_id, **common)
        kind = self.draw(st.sampled_from(_KINDS))
        more: dict[str, Any] = {"errors": self.tail(), "finally_": self.tail(), **common}
        tasks = self.tasks(depth=depth - 1, most=3)
        if kind == "if":
            more["otherwise"] = self.tail()
            condition = self.draw(st.sampled_from(["true", "false"]))
            return group(task_id, kind, tasks, branch="then", properties={"condition": condition}, **more)
        if kind == "parallel":
            reaction = self.draw(st.sampled_from(["CONTINUE", "CONTINUE", "CANCEL", "FAIL", "KILL"]))
            properties = {"concurrent": self.draw(st.integers(0, 2)), "onChildFailure": reaction}
            return group(task_id, kind, tasks, properties=properties, **more)
        if kind == "dag":
            depends_on = {
                task.id: tuple(other.id for other in tasks[:position] if self.chance(2)) for position, task in enumerate(tasks)
            }
            return group(
                task_id, kind, tasks, depends_on=depends_on, properties={"concurrent": self.draw(st.integers(0, 2))}, **more
            )
        if kind == "each":
            return self.each(task_id, tasks, more)
        return group(task_id, kind, tasks, **more)

    def each(self, task_id: str, tasks: list[Task], more: dict[str, Any]) -> Task:
        values = [str(number) for number in range(self.draw(st.integers(0, 3)))]
        limit = self.draw(st.integers(0, 2))
        if self.chance(3):
            properties: dict[str, Any] = {"values": values, "concurrent": limit}
            return group(task_id, "each", tasks, type="test.EachParallel", properties=properties, **more)
        properties = {"values": values, "concurrencyLimit": limit}
        return group(task_id, "each", tasks, type="test.ForEach", properties=properties, **more)

    def common(self) -> dict[str, Any]:
        """Properties that every task may have, most of the time none."""
        if not self.chance(3):
            return {}
        name = self.draw(st.sampled_from(["allow_failure", "allow_warning", "disabled", "when", "retry"]))
        if name == "retry":
            return {name: retry_of(self.draw(st.integers(1, 3)))}
        return {name: "false" if name == "when" else True}

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(1, one_in)) == one_in
