"""Tasks that wait for other executions: Subflow, and the middle step of ForEachItem."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flows.engine import transitions
from flows.engine.arrangements.base import Arrangement, properties_of, render_bool
from flows.engine.attempts import end_attempt, open_attempt
from flows.engine.board import Root, Run
from flows.engine.boards import load_board, render_in
from flows.engine.children import NewChild, start_child
from flows.engine.context import make_run_storage
from flows.primitives.errors import FlowsError, InvalidError
from flows.primitives.states import State, worst_of

if TYPE_CHECKING:
    from flows.engine.turn import Turn


class Callee(Arrangement):
    """The common part: which flow is started with what, and how the end of a child is taken over."""

    def child_of(self, turn: Turn, run: Run, *, extra: dict[str, Any] | None = None, unit: int | None = None) -> NewChild:
        """Return what the task asks to be started, rendered. Raises FlowsError when a property is missing or wrong."""
        properties = properties_of(run)

        def text(name: str) -> str | None:
            value = properties.get(name)
            return None if value is None else str(turn.render(run, value, extra=extra))

        namespace, flow_id, revision, schedule = text("namespace"), text("flowId"), text("revision"), text("scheduleDate")
        if not namespace or not flow_id:
            raise InvalidError(f'Task "{run.task_id}" must name the flow to start: "namespace" and "flowId" may not be empty.')
        labels = turn.render(run, properties.get("labels") or {}, extra=extra)
        inputs = self._render_inputs(turn, run, properties.get("inputs"), extra)
        return NewChild(
            namespace=namespace,
            flow_id=flow_id,
            revision=int(revision) if revision else None,
            inputs=inputs,
            labels=as_label_pairs(labels),
            inherit_labels=render_bool(turn, run, "inheritLabels", False),
            schedule_at=datetime.fromisoformat(schedule) if schedule else None,
            waits=render_bool(turn, run, "wait", True),
            unit=unit,
        )

    @staticmethod
    def _render_inputs(turn: Turn, run: Run, written: Any, extra: dict[str, Any] | None) -> dict[str, Any]:
        if isinstance(written, str):
            written = turn.render(run, written, typed=True, extra=extra)
        if written is None:
            return {}
        if not isinstance(written, Mapping):
            raise InvalidError(f'Property "inputs" of task "{run.task_id}" must be a map of input values.')
        return {key: _typed(turn, run, value, extra) for key, value in written.items()}

    def evaluate(self, turn: Turn, run: Run, iteration: int | None) -> None:
        """The end of a child execution moves it, not a child task."""

    def recover(self, turn: Turn, run: Run) -> None:
        """The child executions report by themselves; one that was never told about is found by the sweep."""

    def take_end(self, turn: Turn, run: Run, child: Root) -> None:
        """Take over the end of a child execution. Called once for each child."""
        raise NotImplementedError


def _typed(turn: Turn, run: Run, value: Any, extra: dict[str, Any] | None) -> Any:
    if isinstance(value, str):
        return turn.render(run, value, typed=_is_one_expression(value), extra=extra)
    return turn.render(run, value, extra=extra)


def _is_one_expression(text: str) -> bool:
    stripped = text.strip()
    return stripped.startswith("{{") and stripped.endswith("}}") and stripped.count("{{") == 1


def as_label_pairs(labels: Any) -> tuple[tuple[str, str], ...]:
    """Return labels written as a map or as a list of `{key, value}` as pairs of texts."""
    if isinstance(labels, Mapping):
        return tuple((str(key), str(value)) for key, value in labels.items())
    return tuple((str(label["key"]), str(label["value"])) for label in labels or ())


class Subflow(Callee):
    """One child execution; its end is the end of the task unless `transmitFailed` is off. Source: flow language, 6.10."""

    def open(self, turn: Turn, run: Run) -> None:
        """Start the child, or restart the one that failed when the parent is being restarted."""
        open_attempt(run, owner="", at=turn.board.at)
        properties = properties_of(run)
        earlier = (run.progress or {}).get("restartChild")
        behavior = str(properties.get("restartBehavior") or "RETRY_FAILED").upper()
        try:
            child = self.child_of(turn, run)
            if earlier and behavior == "RETRY_FAILED":
                child_id, waits = earlier, True
                turn.restarts.append((earlier, run.id))
            else:
                child_id, waits = start_child(turn, run, child), child.waits
        except FlowsError as error:
            end_attempt(turn, run, State.FAILED, reason=error.message)
            return
        run.progress = {"child": child_id}
        run.outputs = {"executionId": child_id, "state": State.CREATED.value}
        turn.board.touch(run)
        if not waits:
            end_attempt(turn, run, State.SUCCESS, outputs=run.outputs)

    def take_end(self, turn: Turn, run: Run, child: Root) -> None:
        """End as the child ended."""
        if (run.progress or {}).get("child") != child.id:
            return
        outputs: dict[str, Any] = {"executionId": child.id, "state": child.state.value}
        reason, state = "", self._own_state(turn, run, child)
        try:
            given = self._outputs_of(turn, run, child)
        except FlowsError as error:
            reason, state, given = f"The outputs of the subflow cannot be made: {error.message}", State.FAILED, None
        if given is not None:
            outputs["outputs"] = given
        if child.state == State.FAILED:
            run.progress = {"child": child.id, "failedChild": child.id}
        end_attempt(turn, run, state, outputs=outputs, reason=reason)

    @staticmethod
    def _own_state(turn: Turn, run: Run, child: Root) -> State:
        if not render_bool(turn, run, "transmitFailed", True):
            return State.SUCCESS
        if child.state in (State.FAILED, State.KILLED, State.WARNING, State.CANCELLED):
            return child.state
        return State.SUCCESS

    @staticmethod
    def _outputs_of(turn: Turn, run: Run, child: Root) -> dict[str, Any] | None:
        written = properties_of(run).get("outputs")
        if child.outputs is not None:
            return child.outputs
        if not written:
            return None
        board = load_board(child, at=turn.board.at)
        transitions.read_all(board)
        return {key: render_in(board, None, value) for key, value in dict(written).items()}


class ItemStarts(Callee):
    """One child execution for each batch file, all at once. Output: how many are in which state. Source: flow language, 6.7."""

    def open(self, turn: Turn, run: Run) -> None:
        """Read the list of batches and start the first page."""
        open_attempt(run, owner="", at=turn.board.at)
        split_id = run.task_id.removesuffix("_items") + "_split"
        split = next((other for other in turn.board.list_children(run.scope).values() if other.task_id == split_id), None)
        uri = ((split.outputs if split else None) or {}).get("splits")
        if not uri:
            raise InvalidError(f'Task "{run.task_id}" found no batches: the step "{split_id}" gave none.')
        with make_run_storage(turn.board, run).open(uri) as stream:
            batches = [line.strip() for line in stream.read().decode().splitlines() if line.strip()]
        run.items = batches
        run.plan = {"count": len(batches)}
        run.progress = {"started": 0, "ended": 0, "states": {}, "children": []}
        base = uri.rsplit("/", 1)[0]
        run.outputs = {"numberOfBatches": len(batches), "iterations": {}, "subflowOutputsBaseUri": base}
        turn.board.touch(run)
        self._start_page(turn, run)

    def _start_page(self, turn: Turn, run: Run) -> None:
        progress, total = dict(run.progress or {}), int((run.plan or {}).get("count", 0))
        first = int(progress.get("started", 0))
        for index, batch in enumerate(transitions.read_items(run, first, total - first), start=first):
            extra = {"taskrun": {**turn.variables.for_run(run)["taskrun"], "items": batch, "iteration": index}}
            try:
                start_child(turn, run, self.child_of(turn, run, extra=extra, unit=index))
            except FlowsError as error:
                end_attempt(turn, run, State.FAILED, reason=error.message)
                return
            progress["started"] = index + 1
        run.progress = progress
        self._show(turn, run)
        self._end_if_done(turn, run)

    def take_end(self, turn: Turn, run: Run, child: Root) -> None:
        """Count the end of one batch."""
        progress = dict(run.progress or {})
        states = dict(progress.get("states", {}))
        states[child.state.value] = states.get(child.state.value, 0) + 1
        progress.update(ended=progress.get("ended", 0) + 1, states=states)
        run.progress = progress
        self._show(turn, run)
        self._end_if_done(turn, run)

    def _show(self, turn: Turn, run: Run) -> None:
        progress = run.progress or {}
        running = progress.get("started", 0) - progress.get("ended", 0)
        counts = {State.CREATED.value: 0, State.RUNNING.value: running, **progress.get("states", {})}
        run.outputs = {**(run.outputs or {}), "iterations": counts}
        turn.board.touch(run)

    def _end_if_done(self, turn: Turn, run: Run) -> None:
        progress, plan = run.progress or {}, run.plan or {}
        waits = render_bool(turn, run, "wait", True)
        if progress.get("started", 0) < plan.get("count", 0) or (waits and progress.get("ended", 0) < progress.get("started", 0)):
            return
        state = State.SUCCESS
        if waits and render_bool(turn, run, "transmitFailed", True):
            ended = {State(name) for name, count in progress.get("states", {}).items() if count}
            state = State.FAILED if State.FAILED in ended else worst_of(ended)
        end_attempt(turn, run, state, outputs=run.outputs)
