"""Random flows for property tests: nested flowables of every kind whose leaves end as a table says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from flows.language.flow import Flow, Task
from flows.primitives.states import State

from .rehearsal import Key, group, leaf, make_flow, retry_of

_KINDS = ("sequence", "parallel", "dag", "if", "each", "allow-failure", "switch", "loop-until", "pause")
_CALLING_KINDS = (*_KINDS, "loop", "subflow", "loop", "subflow")
_NEST = ("loop", "parallel", "subflow", "loop")
"""Reliability, R-72."""
_ENDS = [
    (State.SUCCESS,),
    (State.SUCCESS,),
    (State.WARNING,),
    (State.FAILED,),
    (State.FAILED, State.SUCCESS),
    (State.FAILED, State.FAILED, State.WARNING),
]


class Case:
    """
    A flow, the flows that it starts, by id, and how their leaves end: by task id three lists of attempts, chosen by the values of
    the loops around a leaf.
    """

    def __init__(self, flow: Flow, table: dict[str, list[tuple[State, ...]]], flows: Mapping[str, Flow] | None = None) -> None:
        self.flow = flow
        self.table = table
        self.flows = flows or {}

    def __repr__(self) -> str:
        lines: list[str] = []
        for flow in (self.flow, *self.flows.values()):
            lines.append(f"flow {flow.id}")
            lists = {"tasks": flow.tasks, "errors": flow.errors, "finally": flow.finally_, "afterExecution": flow.after_execution}
            lines += [line for name, tasks in lists.items() for line in self._outline(name, tasks, 0)]
        return "\n".join(lines)

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
        return self.table[task_id][sum(int(value) for value in path if value.isdecimal()) % 3]

    def end_attempt(self, key: Key, attempt: int) -> State:
        """Return the end of one attempt, from 1."""
        ends = self.results(*key)
        return ends[min(attempt, len(ends)) - 1]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Flows of up to about twenty leaves, three flowables deep, that start no other executions."""
    maker = _Maker(draw, _KINDS)
    return Case(maker.flow("rehearsed", maker.tasks(depth=3, most=3)), maker.table)


@st.composite
def calling_cases(draw: st.DrawFn) -> Case:
    """Flows in which Loops and Subflows are nested four deep in every way, half of them Loop, Parallel, Subflow, Loop."""
    maker = _Maker(draw, _CALLING_KINDS)
    tasks = [maker.nest(_NEST)] if maker.chance(2) else [maker.task(4)]
    tasks += maker.tasks(depth=1, most=2) if maker.chance(2) else []
    return Case(maker.flow("rehearsed", tasks), maker.table, maker.flows)


class _Maker:
    def __init__(self, draw: st.DrawFn, kinds: Sequence[str]) -> None:
        self.draw = draw
        self.kinds = kinds
        self.table: dict[str, list[tuple[State, ...]]] = {}
        self.flows: dict[str, Flow] = {}
        self.count = 0

    def flow(self, flow_id: str, tasks: list[Task]) -> Flow:
        tails = {"errors": tuple(self.tail()), "finally_": tuple(self.tail())}
        kinds, self.kinds = self.kinds, tuple(kind for kind in self.kinds if kind != "pause")
        # An execution that has ended is not paused, so nobody could resume a Pause there.
        tails["after_execution"] = tuple(self.tail())
        self.kinds = kinds
        return replace(make_flow(*tasks, **tails), id=flow_id)

    def nest(self, kinds: Sequence[str]) -> Task:
        """Return flowables of these kinds, each in the one before it, with a neighbour here and there."""
        self.count += 1
        inner = [self.nest(kinds[1:])] if len(kinds) > 1 else self.tasks(depth=0, most=2)
        if self.chance(2):
            inner.insert(self.draw(st.integers(0, 1)), self.task(0))
        return self.flowable(f"t{self.count}n{len(kinds)}", kinds[0], lambda: inner)

    def tasks(self, *, depth: int, most: int) -> list[Task]:
        return [self.task(depth) for _ in range(self.draw(st.integers(1, most)))]

    def tail(self) -> list[Task]:
        return self.tasks(depth=1, most=2) if self.chance(4) else []

    def task(self, depth: int) -> Task:
        self.count += 1
        task_id = f"t{self.count}"
        if depth == 0 or self.chance(2):
            self.table[task_id] = [self.draw(st.sampled_from(_ENDS)) for _ in range(3)]
            return leaf(task_id, **self.common())
        kind = self.draw(st.sampled_from(self.kinds))
        return self.flowable(task_id, kind, lambda: self.tasks(depth=depth - 1, most=2 if "loop" in self.kinds else 3))

    def flowable(self, task_id: str, kind: str, make_tasks: Callable[[], list[Task]]) -> Task:
        """Return a flowable of a kind with the tasks that the function makes."""
        more = self.common()
        if kind == "pause":
            return group(task_id, kind, (), branch="onPause", type="test.Pause", properties=self.wait(), **more)
        tasks = make_tasks()
        if kind == "subflow":
            return self.subflow(task_id, tasks, more)
        more = {"errors": self.tail(), "finally_": self.tail(), **more}
        make = getattr(self, "if_" if kind == "if" else kind.replace("-", "_"), None)
        return make(task_id, tasks, more) if make else group(task_id, kind, tasks, **more)

    def wait(self) -> dict[str, Any]:
        """Either a person resumes it, or it ends by itself."""
        behavior = self.draw(st.sampled_from(["", "RESUME", "WARN", "FAIL"]))
        return {"pauseDuration": "PT1S", "behavior": behavior} if behavior else {}

    def switch(self, task_id: str, tasks: list[Task], more: dict[str, Any]) -> Task:
        value = self.draw(st.sampled_from(["a", "b"]))
        other = self.draw(st.sampled_from(["case:b", "defaults"]))
        task = group(task_id, "switch", tasks, branch="case:a", properties={"value": value}, **more)
        tail = self.tail()
        return replace(task, branches={**task.branches, other: tuple(tail)}) if tail else task

    def loop_until(self, task_id: str, tasks: list[Task], more: dict[str, Any]) -> Task:
        passes = self.draw(st.integers(1, 2))
        properties: dict[str, Any] = {
            "condition": f"{{{{ currentEachOutput(outputs.{task_id}).iterationCount >= {passes} }}}}",
            "passes": passes,
        }
        properties["checkFrequency"] = {"interval": "PT1S"}
        if self.chance(3):
            properties["checkFrequency"]["maxIterations"] = self.draw(st.integers(1, 3))
            properties["failOnMaxReached"] = self.chance(2)
        return group(task_id, "loop-until", tasks, properties=properties, **more)

    def loop(self, task_id: str, tasks: list[Task], more: dict[str, Any]) -> Task:
        values = [str(number) for number in range(self.draw(st.integers(0, 3)))]
        properties = {
            "values": values,
            "concurrencyLimit": self.draw(st.integers(0, 2)),
            "transmitFailed": not self.chance(4),
        }
        return group(task_id, "loop", tasks, type="test.Loop", properties=properties, **more)

    def subflow(self, task_id: str, tasks: list[Task], more: dict[str, Any]) -> Task:
        flow_id = f"flow-of-{task_id}"
        self.flows[flow_id] = self.flow(flow_id, tasks)
        properties: dict[str, Any] = {"namespace": "{{ flow.namespace }}", "flowId": flow_id, "revision": "1"}
        properties["transmitFailed"] = not self.chance(4)
        return Task(id=task_id, type="test.Subflow", role="executable", arrangement="subflow", properties=properties, **more)

    def if_(self, task_id: str, tasks: list[Task], more: dict[str, Any]) -> Task:
        condition = self.draw(st.sampled_from(["true", "false"]))
        return group(task_id, "if", tasks, branch="then", properties={"condition": condition}, otherwise=self.tail(), **more)

    def parallel(self, task_id: str, tasks: list[Task], more: dict[str, Any]) -> Task:
        reaction = self.draw(st.sampled_from(["CONTINUE", "CONTINUE", "CONTINUE", "CANCEL", "FAIL", "KILL"]))
        properties = {"concurrent": self.draw(st.integers(0, 2)), "onChildFailure": reaction}
        return group(task_id, "parallel", tasks, properties=properties, **more)

    def dag(self, task_id: str, tasks: list[Task], more: dict[str, Any]) -> Task:
        depends_on = {
            task.id: tuple(other.id for other in tasks[:position] if self.chance(2)) for position, task in enumerate(tasks)
        }
        limit = self.draw(st.integers(0, 2))
        return group(task_id, "dag", tasks, depends_on=depends_on, properties={"concurrent": limit}, **more)

    def each(self, task_id: str, tasks: list[Task], more: dict[str, Any]) -> Task:
        values = [str(number) for number in range(self.draw(st.integers(0, 3)))]
        limit = self.draw(st.integers(0, 2))
        if self.chance(4):
            return group(task_id, "each", tasks, type="test.EachSequential", properties={"value": values}, **more)
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
