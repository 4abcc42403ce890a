"""Tasks that wait for other executions: Subflow, and the middle step of ForEachItem."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flows.engine import transitions
from flows.engine.arrangements.base import Arrangement, properties_of, render_bool, render_duration
from flows.engine.attempts import end_attempt, open_attempt
from flows.engine.board import Root, Run
from flows.engine.boards import load_board, render_in
from flows.engine.children import (
    NewChild,
    restart_child,
    start_child,
    stop_children,
    take_over_children,
    waits_for_paused_only,
)
from flows.engine.context import make_run_storage
from flows.engine.endings import end_leftovers, is_cut_short
from flows.primitives.errors import FlowsError, InvalidError
from flows.primitives.states import State, worst_of

if TYPE_CHECKING:
    from flows.engine.turn import Turn


# So many batches begin in one transaction.
_PAGE = 200


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
            revision=_as_revision(run, revision),
            inputs=inputs,
            labels=as_label_pairs(labels),
            inherit_labels=render_bool(turn, run, "inheritLabels", False),
            schedule_at=_as_moment(run, schedule),
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

    def shows_pauses(self, turn: Turn, run: Run) -> bool:
        """Tell whether the task run pauses with its children: not one that takes over nothing of how they fare."""
        return render_bool(turn, run, "transmitFailed", True)

    def follow_pauses(self, turn: Turn, run: Run, *, is_news: bool) -> None:
        """
        Pause the task run while all that it waits for is paused, and let it go on with the first of them that does.

        `is_news` is false after the end of a child: then there is only something to look at if some child ever paused.
        Source: flow language, 6.5 and 6.10.
        """
        board = turn.board
        if run.is_terminal or board.root.state == State.KILLING or not (is_news or (run.progress or {}).get("pauses")):
            return
        if not self.shows_pauses(turn, run):
            return
        if is_news:
            run.progress = {**(run.progress or {}), "pauses": True}
            board.touch(run)
        if not waits_for_paused_only(board.root.id, run.id):
            self.go_on(turn, run)
        elif run.state == State.RUNNING:
            board.move(run, State.PAUSED)
            if is_cut_short(board, run):
                end_leftovers(turn)

    def go_on(self, turn: Turn, run: Run) -> None:
        """Take the task run, and its execution, out of the pause that its children caused."""
        board = turn.board
        if run.state != State.PAUSED:
            return
        board.move(run, State.RUNNING)
        if board.root.state == State.PAUSED and not board.root.pause_asked:
            board.move_root(State.RUNNING)


def _as_revision(run: Run, text: str | None) -> int | None:
    if not text:
        return None
    if not text.strip().isdecimal():
        raise InvalidError(f'Property "revision" of task "{run.task_id}" must be a number such as 3; got "{text}".')
    return int(text)


def _as_moment(run: Run, text: str | None) -> datetime | None:
    """Return an aware moment; one without an offset is in UTC."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidError(
            f'Property "scheduleDate" of task "{run.task_id}" must be a moment such as 2031-05-04T10:00:00Z; got "{text}".'
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def restarts_in_place(run: Run) -> bool:
    """Tell whether a restart of the caller restarts its failed children, too, instead of starting new ones."""
    return str(properties_of(run).get("restartBehavior") or "RETRY_FAILED").upper() == "RETRY_FAILED"


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
        progress = dict(run.progress or {})
        earlier = progress.pop("restartChild", None)
        try:
            if earlier and restarts_in_place(run) and restart_child(turn, earlier):
                child_id, waits = earlier, True
            else:
                child = self.child_of(turn, run)
                child_id, waits = start_child(turn, run, child), child.waits
            assert run.node is not None
            timeout = render_duration(turn, run, run.node.task.timeout, "timeout")
        except FlowsError as error:
            end_attempt(turn, run, State.FAILED, reason=error.message)
            return
        run.progress = {**progress, "child": child_id}
        run.outputs = {"executionId": child_id, "state": State.CREATED.value}
        turn.board.touch(run)
        if not waits:
            end_attempt(turn, run, State.SUCCESS, outputs=run.outputs)
        elif timeout is not None:
            turn.board.set_wake(run, turn.board.at + timeout)

    def wake(self, turn: Turn, run: Run) -> None:
        """The child takes longer than the task's timeout: it is killed, and the attempt failed. Source: flow language, 6.10."""
        turn.board.set_wake(run, None)
        self.go_on(turn, run)
        stop_children(turn, run)
        end_attempt(turn, run, State.FAILED, outputs=run.outputs, reason="The subflow took longer than the task's timeout.")

    def take_end(self, turn: Turn, run: Run, child: Root) -> None:
        """End as the child ended, or as the execution ended in which it was retried."""
        if (run.progress or {}).get("child") not in (child.id, child.original_id):
            return
        turn.board.set_wake(run, None)
        outputs: dict[str, Any] = {"executionId": child.id, "state": child.state.value}
        reason, state = "", self._own_state(turn, run, child)
        try:
            given = self._outputs_of(turn, run, child)
        except FlowsError as error:
            reason, state, given = f"The outputs of the subflow cannot be made: {error.message}", State.FAILED, None
        if given is not None:
            outputs["outputs"] = given
        if child.state == State.FAILED:
            run.progress = {**(run.progress or {}), "failedChild": child.id}
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
        """Read the list of batches and start the first page; after a restart only those that did not end well begin again."""
        open_attempt(run, owner="", at=turn.board.at)
        if run.plan is not None:
            self._take_over(turn, run)
            return
        split_id = run.task_id.removesuffix("_items") + "_split"
        split = next((other for other in turn.board.list_children(run.scope).values() if other.task_id == split_id), None)
        uri = ((split.outputs if split else None) or {}).get("splits")
        if not uri:
            raise InvalidError(f'Task "{run.task_id}" found no batches: the step "{split_id}" gave none.')
        with make_run_storage(turn.board, run).open(uri) as stream:
            batches = [line.strip() for line in stream.read().decode().splitlines() if line.strip()]
        run.items = batches
        run.plan = {"count": len(batches)}
        run.progress = {"started": 0, "ended": 0, "states": {}}
        base = uri.rsplit("/", 1)[0]
        run.outputs = {"numberOfBatches": len(batches), "iterations": {}, "subflowOutputsBaseUri": base}
        turn.board.touch(run)
        self._start_page(turn, run)

    def evaluate(self, turn: Turn, run: Run, iteration: int | None) -> None:
        """Start the next page, if there is one."""
        if self._count_left(run):
            self._start_page(turn, run)

    def recover(self, turn: Turn, run: Run) -> None:
        """A visit that was lost between two pages left some batches unstarted."""
        turn.mark_dirty((run.id, None))

    def _take_over(self, turn: Turn, run: Run) -> None:
        progress, missing = take_over_children(turn, run, in_place=restarts_in_place(run))
        run.progress = progress
        if all(self._start_batch(turn, run, index) for index in missing):
            self._start_page(turn, run)

    def _start_page(self, turn: Turn, run: Run) -> None:
        progress = dict(run.progress or {})
        first = int(progress.get("started", 0))
        batches = transitions.read_items(run, first, _PAGE)
        for index, batch in enumerate(batches, start=first):
            if not self._start_batch(turn, run, index, batch):
                return
        run.progress = {**progress, "started": first + len(batches)}
        self._show(turn, run)
        if self._count_left(run):
            turn.mark_dirty((run.id, None))
        else:
            self._end_if_done(turn, run)

    def _start_batch(self, turn: Turn, run: Run, index: int, batch: str | None = None) -> bool:
        """Start the execution of one batch, or end the task because that is not possible, and report False."""
        uri = transitions.read_items(run, index, 1)[0] if batch is None else batch
        extra = {"taskrun": {**turn.variables.for_run(run)["taskrun"], "items": uri, "iteration": index}}
        try:
            start_child(turn, run, self.child_of(turn, run, extra=extra, unit=index))
        except FlowsError as error:
            end_attempt(turn, run, State.FAILED, reason=error.message)
            return False
        return True

    @staticmethod
    def _count_left(run: Run) -> int:
        return int((run.plan or {}).get("count", 0)) - int((run.progress or {}).get("started", 0))

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
        if not render_bool(turn, run, "wait", True):
            # Nobody counts their ends: what was started is done with.
            counts = {State.RUNNING.value: 0, State.SUCCESS.value: progress.get("started", 0)}
        run.outputs = {**(run.outputs or {}), "iterations": counts}
        turn.board.touch(run)

    def _end_if_done(self, turn: Turn, run: Run) -> None:
        progress, plan = run.progress or {}, run.plan or {}
        waits = render_bool(turn, run, "wait", True)
        more_follow = progress.get("started", 0) < plan.get("count", 0) and not is_cut_short(turn.board, run)
        if more_follow or (waits and progress.get("ended", 0) < progress.get("started", 0)):
            return
        state = State.SUCCESS
        if waits and render_bool(turn, run, "transmitFailed", True):
            ended = {State(name) for name, count in progress.get("states", {}).items() if count}
            state = State.FAILED if State.FAILED in ended else worst_of(ended)
        end_attempt(turn, run, state, outputs=run.outputs)
