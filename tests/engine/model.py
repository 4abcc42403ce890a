"""What a flow must come to, told by recursion over its tasks: an independent reading of flow language 6.2 to 6.12 and 9.2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from flows.language.flow import Flow, Task
from flows.primitives.states import State

from .rehearsal import Key


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    The end of a part of a flow, the task runs it must have by then, those it may have, and the ends that are certain.

    Task runs of other executions that it starts are told apart by what their path begins with: the number of the iteration, or
    for a Subflow `#1`, `#2` ... for each of its attempts.
    """

    state: State
    must: frozenset[Key] = frozenset()
    may: frozenset[Key] = frozenset()
    sure: frozenset[tuple[Key, State]] = frozenset()


Results = Callable[[str, tuple[str, ...]], Sequence[State]]
"""Task id and values of the loops around it to the ends of its attempts, the last one for all that follow."""

NOTHING = Verdict(State.SUCCESS)


# They have no `errors` and `finally` in their own execution, or see to them by themselves.
_WITHOUT_TAILS = frozenset({"loop", "subflow", "pause", "loop-until"})
_ENDS_OF_PAUSE = {"RESUME": State.SUCCESS, "WARN": State.WARNING, "FAIL": State.FAILED}


def expect(flow: Flow, results: Results, flows: Mapping[str, Flow] | None = None) -> Verdict:
    """
    Return what must come of an execution of the flow in which leaf tasks end as `results` says; `flows` are those that it may
    start, by id.
    """
    return _Reader(results, flows or {}).flow(flow, ())


@dataclass(frozen=True, slots=True)
class _Reader:
    results: Results
    flows: Mapping[str, Flow] = field(default_factory=dict)

    def flow(self, flow: Flow, path: tuple[str, ...]) -> Verdict:
        body = self.close(self.sequence(flow.tasks, path, None), flow.errors, flow.finally_, path, None)
        return _add(body, [self.sequence(flow.after_execution, path, None)])

    def task(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        own = frozenset({(task.id, path)})
        if task.when == "false":
            return Verdict(State.SKIPPED, own, own, frozenset({((task.id, path), State.SKIPPED)}))
        attempts = task.retry.max_attempts if task.retry else attempts
        if task.arrangement is None:
            ends = self.results(task.id, path)
            state = next((end for end in list(ends)[: attempts or 1] if end != State.FAILED), State.FAILED)
            inside = Verdict(state)
        else:
            body = getattr(self, f"read_{task.arrangement.replace('-', '_')}")(task, path, attempts)
            inside = body
            if task.arrangement not in _WITHOUT_TAILS and not _has_no_case(task):
                inside = self.close(body, task.branches.get("errors", ()), task.branches.get("finally", ()), path, attempts)
        state = inside.state
        if state == State.FAILED and (task.allow_failure or task.arrangement == "allow-failure"):
            state = State.WARNING
        if state == State.WARNING and task.allow_warning:
            state = State.SUCCESS
        return Verdict(state, inside.must | own, inside.may | own, inside.sure | {((task.id, path), state)})

    def close(
        self, body: Verdict, errors: Sequence[Task], finally_: Sequence[Task], path: tuple[str, ...], attempts: int | None
    ) -> Verdict:
        tails = [self.sequence(finally_, path, attempts)]
        if body.state == State.FAILED:
            tails.append(self.sequence(errors, path, attempts))
        return _add(body, tails)

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

    def read_switch(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        if _has_no_case(task):
            return Verdict(State.FAILED)
        case = f"case:{task.properties['value']}"
        return self.sequence(task.branches[case if case in task.branches else "defaults"], path, attempts)

    def read_pause(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        return Verdict(_ENDS_OF_PAUSE[task.properties.get("behavior", "RESUME")])

    def read_loop_until(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        """Every pass ends alike, and only the last one's task runs are kept."""
        one_pass = self.sequence(task.branches["tasks"], path, attempts)
        finally_ = task.branches.get("finally", ())
        most = task.properties.get("checkFrequency", {}).get("maxIterations")
        is_over_limit = most is not None and most < task.properties["passes"] and task.properties.get("failOnMaxReached")
        if one_pass.state != State.FAILED and is_over_limit:
            # No child failed, so there is nothing for `errors` to answer.
            return replace(self.close(one_pass, (), finally_, path, attempts), state=State.FAILED)
        return self.close(one_pass, task.branches.get("errors", ()), finally_, path, attempts)

    def read_loop(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        errors, finally_ = task.branches.get("errors", ()), task.branches.get("finally", ())
        units = [
            self.close(self.sequence(task.branches["tasks"], inner, attempts), errors, finally_, inner, attempts)
            for inner in ((*path, value) for value in task.properties["values"])
        ]
        if not task.properties.get("transmitFailed", True):
            return replace(_join(units), state=State.SUCCESS)
        return _race(units, units, task.properties.get("concurrencyLimit", 0))

    def read_subflow(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        """Each attempt is an execution of its own."""
        children = []
        for attempt in range(1, (attempts or 1) + 1):
            children.append(self.flow(self.flows[task.properties["flowId"]], (*path, f"#{attempt}")))
            state = children[-1].state if task.properties.get("transmitFailed", True) else State.SUCCESS
            if state != State.FAILED:
                break
        return replace(_join(children), state=state)

    def read_parallel(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        children = [child for child in task.branches["tasks"] if not child.disabled]
        units = [self.task(child, path, attempts) for child in children]
        heads = [Verdict(State.RUNNING, frozenset({(child.id, path)})) for child in children]
        if task.properties.get("onChildFailure", "CONTINUE") != "CONTINUE":
            # What the siblings below came to when they were interrupted depends on the moment.
            return _race(units, heads, task.properties.get("concurrent", 0))
        return _race(units, units, task.properties.get("concurrent", 0))

    def read_dag(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        children = [child for child in task.branches["tasks"] if not child.disabled]
        present = {child.id for child in children}
        units = {child.id: self.task(child, path, attempts) for child in children}
        first = [units[child.id] for child in children if not present & set(task.depends_on.get(child.id, ()))]
        later = [unit for unit in units.values() if unit not in first]
        return _race([*first, *later], first, task.properties.get("concurrent", 0))

    def read_each(self, task: Task, path: tuple[str, ...], attempts: int | None) -> Verdict:
        paths = [(*path, value) for value in task.properties["value" if task.type.endswith(".EachSequential") else "values"]]
        if task.type.endswith(".EachParallel"):
            children = [child for child in task.branches["tasks"] if not child.disabled]
            units = [self.task(child, inner, attempts) for inner in paths for child in children]
            limit = task.properties.get("concurrent", 0)
        else:
            units = [self.sequence(task.branches["tasks"], inner, attempts) for inner in paths]
            limit = 1 if task.type.endswith(".EachSequential") else task.properties.get("concurrencyLimit", 1)
        return _race(units, units, limit)


def _has_no_case(task: Task) -> bool:
    """True for a Switch that cannot choose: it fails before any of its lists begins."""
    if task.arrangement != "switch":
        return False
    return f"case:{task.properties['value']}" not in task.branches and "defaults" not in task.branches


def _add(verdict: Verdict, tails: Sequence[Verdict]) -> Verdict:
    """Add what comes after, which changes no end."""
    return replace(_join([verdict, *tails]), state=verdict.state)


def _join(verdicts: Sequence[Verdict]) -> Verdict:
    states = {verdict.state for verdict in verdicts}
    state = next((state for state in (State.FAILED, State.WARNING) if state in states), State.SUCCESS)
    return Verdict(
        state,
        frozenset().union(*(v.must for v in verdicts)),
        frozenset().union(*(v.may for v in verdicts)),
        frozenset().union(*(v.sure for v in verdicts)),
    )


def _race(units: Sequence[Verdict], first: Sequence[Verdict], limit: int) -> Verdict:
    """
    Units that run side by side, at most `limit` at once (0: all). A unit that fails keeps later ones from beginning, so
    only those of `first` that begin at once are certain then; one that fails is met in any order, unless another failed before.
    """
    total = _join([NOTHING, *units])
    if total.state != State.FAILED:
        return total
    begun = _join(first[:limit] if limit else first)
    return Verdict(State.FAILED, begun.must, total.may, begun.sure)
