"""What a flow must come to, told by recursion over its tasks: an independent reading of flow language 6.2 to 6.6."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from flows.language.flow import Flow, Task
from flows.primitives.states import State

from .rehearsal import Key


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a part of a flow, the task runs it must have by then, and those it may have."""

    state: State
    must: frozenset[Key] = frozenset()
    may: frozenset[Key] = frozenset()


Results = Callable[[str, tuple[str, ...]], Sequence[State]]
"""Task id and values of the loops around it to the ends of its attempts, the last one for all that follow."""

NOTHING = Verdict(State.SUCCESS)


def expect(flow: Flow, results: Results) -> Verdict:
    """Return what must come of an execution of the flow in which leaf tasks end as `results` says."""
    reader = _Reader(results)
    body = reader.close(reader.sequence(flow.tasks, (), None), flow.errors, flow.finally_, (), None)
    after = reader.sequence(flow.after_execution, (), None)
    return Verdict(body.state, body.must | after.must, body.may | after.may)


@dataclass(frozen=True, slots=True)
class _Reader:
    results: Results

    def task(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        own = frozenset({(task.id, path)})
        if task.when == "false":
            return Verdict(State.SKIPPED, own, own)
        attempts = task.retry.max_attempts if task.retry else attempts
        if task.arrangement is None:
            ends = self.results(task.id, path)
            state = next((end for end in list(ends)[: attempts or 1] if end != State.FAILED), State.FAILED)
            inside = Verdict(state)
        else:
            body = getattr(self, f"read_{task.arrangement.replace('-', '_')}")(task, path, attempts)
            inside = self.close(body, task.branches.get("errors", ()), task.branches.get("finally", ()), path, attempts)
        state = inside.state
        if state == State.FAILED and (task.allow_failure or task.arrangement == "allow-failure"):
            state = State.WARNING
        if state == State.WARNING and task.allow_warning:
            state = State.SUCCESS
        return Verdict(state, inside.must | own, inside.may | own)

    def close(
        self, body: Verdict, errors: Sequence[Task], finally_: Sequence[Task], path: tuple[str, ...], attempts: int | None
    ) -> Verdict:
        tails = [self.sequence(finally_, path, attempts)]
        if body.state == State.FAILED:
            tails.append(self.sequence(errors, path, attempts))
        return Verdict(body.state, body.must.union(*(t.must for t in tails)), body.may.union(*(t.may for t in tails)))

    def sequence(self, tasks: Iterable[Task], path: tuple[str, ...], attempts: int | None) -> Verdict:
        total = NOTHING
        for task in tasks:
            if task.disabled:
                continue
            verdict = self.task(task, path, attempts)
            total = _join([total, verdict])
            if verdict.state == State.FAILED:
                break
        return total

    def read_sequence(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        return self.sequence(task.branches["tasks"], path, attempts)

    def read_allow_failure(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        return self.sequence(task.branches["tasks"], path, attempts)

    def read_if(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        branch = "then" if task.properties["condition"] == "true" else "else"
        return self.sequence(task.branches.get(branch, ()), path, attempts)

    def read_parallel(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        children = [child for child in task.branches["tasks"] if not child.disabled]
        units = [self.task(child, path, attempts) for child in children]
        heads = [frozenset({(child.id, path)}) for child in children]
        if task.properties.get("onChildFailure", "CONTINUE") != "CONTINUE":
            # What the siblings below came to when they were interrupted depends on the moment.
            return _race(units, heads, task.properties.get("concurrent", 0))
        return _race(units, [unit.must for unit in units], task.properties.get("concurrent", 0))

    def read_dag(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        children = [child for child in task.branches["tasks"] if not child.disabled]
        present = {child.id for child in children}
        units = {child.id: self.task(child, path, attempts) for child in children}
        first = [units[child.id] for child in children if not present & set(task.depends_on.get(child.id, ()))]
        later = [unit for unit in units.values() if unit not in first]
        return _race([*first, *later], [unit.must for unit in first], task.properties.get("concurrent", 0))

    def read_each(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        paths = [(*path, value) for value in task.properties["values"]]
        if task.type.endswith(".EachParallel"):
            children = [child for child in task.branches["tasks"] if not child.disabled]
            units = [self.task(child, inner, attempts) for inner in paths for child in children]
            limit = task.properties.get("concurrent", 0)
        else:
            units = [self.sequence(task.branches["tasks"], inner, attempts) for inner in paths]
            limit = task.properties.get("concurrencyLimit", 1)
        return _race(units, [unit.must for unit in units], limit)


def _join(verdicts: Sequence[Verdict]) -> Verdict:
    states = {verdict.state for verdict in verdicts}
    state = next((state for state in (State.FAILED, State.WARNING) if state in states), State.SUCCESS)
    return Verdict(state, frozenset().union(*(v.must for v in verdicts)), frozenset().union(*(v.may for v in verdicts)))


def _race(units: Sequence[Verdict], certain: Sequence[frozenset[Key]], limit: int) -> Verdict:
    """
    Units that run side by side, at most `limit` at once (0: all). A unit that fails keeps later ones from beginning, so
    only those that begin at once are certain then; one that fails is met in any order, unless another failed before.
    """
    total = _join([NOTHING, *units])
    if total.state != State.FAILED:
        return total
    begun = certain[:limit] if limit else certain
    return Verdict(State.FAILED, frozenset().union(*begun), total.may)
