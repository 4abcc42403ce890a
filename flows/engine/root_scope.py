"""The outermost scope: the flow's own lists, the end of the execution with its outputs, SLA assertions and what comes after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.engine import transitions
from flows.engine.attempts import close_attempt
from flows.engine.concurrency import release_slot
from flows.engine.decide import Lists, decide_scope
from flows.expressions import ExpressionError, is_truthy
from flows.language.inputs import resolve_outputs
from flows.models.encryption import encrypt_text
from flows.primitives.errors import FlowsError
from flows.primitives.states import TERMINAL, State

if TYPE_CHECKING:
    from flows.engine.turn import Turn

_HEARD_BY_TRIGGERS = ("schedule", "polling", "realtime")


class RootScope:
    """The execution seen as a scope. Source: flow language, 6.2, 8.7 and 12."""

    @staticmethod
    def evaluate(turn: Turn) -> None:
        """Look at the flow's lists and do what comes next."""
        board = turn.board
        root, graph = board.root, board.graph
        states = {run.task_id: run.state for run in board.list_children((None, None)).values()}
        if root.is_terminal:
            RootScope._go_on_after(turn, states)
            return
        if root.state in (State.KILLING, State.QUEUED, State.CREATED):
            return
        exit_state = root.progress.get("exit")
        normal = graph.list_branch("tasks")
        if exit_state is not None:
            normal = tuple(node for node in normal if node.id in states)
            if any(states[node.id] not in TERMINAL for node in normal):
                return
        errors = () if exit_state is not None else graph.list_branch("errors")
        decision = decide_scope(Lists(normal, errors, graph.list_branch("finally")), states)
        for node in decision.create:
            turn.create_run(node, None)
        if decision.end is not None:
            RootScope.check_assertions(turn)
            if root.is_terminal or root.state == State.KILLING:
                return
            RootScope.finish(turn, State(exit_state) if exit_state is not None else decision.end)

    @staticmethod
    def finish(turn: Turn, state: State) -> None:
        """End the execution in `state`; outputs that cannot be made turn it into FAILED."""
        board = turn.board
        root, flow = board.root, board.graph.flow
        outputs = flow.outputs if root.kind != "LOOP" else board.graph.loop_outputs
        if outputs:
            try:
                # The outputs see the state that the execution is about to have.
                root.outputs = resolve_outputs(
                    outputs, render=lambda value, typed=False: turn.render(None, value, typed=typed), encrypt=encrypt_text
                )
            except FlowsError as error:
                turn.add_log(None, "ERROR", f"The outputs of the flow cannot be made: {error.message}")
                state = State.FAILED
        RootScope.end(turn, state)

    @staticmethod
    def finish_kill(turn: Turn) -> None:
        """End an execution that is being killed: nothing of it is alive any more."""
        board = turn.board
        transitions.read_all(board)
        wanted = State(board.root.progress.get("killedInto", State.KILLED))
        for run in reversed(list(board.runs.values())):
            if not run.is_terminal:
                close_attempt(run, wanted, at=board.at)
                board.move(run, wanted)
        RootScope.end(turn, wanted)

    @staticmethod
    def break_level(turn: Turn, level_id: str, behavior: str, labels: tuple[tuple[str, str], ...], reason: str) -> None:
        """Record the breach of an SLA once, and end the execution when its behaviour says so."""
        board = turn.board
        root = board.root
        broken = root.progress.setdefault("brokenLevels", [])
        if level_id in broken:
            return
        broken.append(level_id)
        root.is_changed = True
        turn.add_log(None, "WARN" if behavior == "NONE" else "ERROR", reason)
        known = {label["key"] for label in root.labels}
        root.labels = root.labels + [{"key": key, "value": value} for key, value in labels if key not in known]
        if behavior != "NONE":
            turn.stop(State.FAILED if behavior == "FAIL" else State.CANCELLED)

    @staticmethod
    def check_assertions(turn: Turn) -> None:
        """Evaluate the assertions of the flow; one that cannot be rendered yet is silent. Source: flow language, 12."""
        board = turn.board
        if board.root.kind != "NORMAL":
            return
        for number, level in enumerate(board.graph.flow.slas):
            if level.type != "EXECUTION_ASSERTION" or level.assertion is None:
                continue
            try:
                holds = is_truthy(turn.render(None, level.assertion))
            except ExpressionError:
                continue
            if not holds:
                reason = f'The SLA "{level.id}" is broken: {level.assertion} does not hold.'
                RootScope.break_level(turn, f"{number}:{level.id}", level.behavior, level.labels, reason)
                if board.root.is_terminal or board.root.state == State.KILLING:
                    return

    @staticmethod
    def end(turn: Turn, state: State) -> None:
        """Give the execution its final state and its slot back, and note who must be told."""
        board = turn.board
        root = board.root
        board.move_root(state)
        root.wake_at = None
        if root.slot_held:
            release_slot(root)
        RootScope.note_end(turn)
        if board.graph.list_branch("afterExecution"):
            turn.mark_dirty((None, None))

    @staticmethod
    def note_end(turn: Turn) -> None:
        """Note that the end of the execution must be told, if anybody waits for it or may listen."""
        root = turn.board.root
        heard = (root.trigger or {}).get("family") in _HEARD_BY_TRIGGERS
        if root.caller_waits or root.progress.pop("hadSlot", False) or heard or (root.kind == "NORMAL" and root.has_listeners):
            root.announce_at = turn.board.at

    @staticmethod
    def note_pause(turn: Turn) -> None:
        """Note that a task run that waits for this execution must hear that it paused, or that it goes on."""
        root = turn.board.root
        if root.caller_waits and (root.state == State.PAUSED) != (root.seen == State.PAUSED):
            root.announce_at = turn.board.at
            root.is_changed = True

    @staticmethod
    def note_news(turn: Turn) -> None:
        """
        Note that a state which the execution only passes through must be told when a flow listens to such states, and for
        those who listen where the states begin that were not told yet.
        """
        root = turn.board.root
        if root.kind != "NORMAL" or not root.has_listeners or len(root.histories) == root.seen_count:
            return
        is_untold = root.announce_at is None and root.state not in (State.CREATED, State.PAUSED) and not root.is_terminal
        if is_untold and transitions.has_early_listeners():
            root.announce_at = turn.board.at
            root.is_changed = True
        if root.announce_at is not None:
            root.progress["news"] = min(int(root.progress.get("news", root.seen_count)), root.seen_count)

    @staticmethod
    def _go_on_after(turn: Turn, states: dict[str, State]) -> None:
        after = turn.board.graph.list_branch("afterExecution")
        if not after or turn.board.root.state == State.RETRIED:
            return
        for node in decide_scope(Lists(after), states).create:
            turn.create_run(node, None)


def announce_pause(turn: Turn) -> None:
    """A pause is told to flow triggers like an end."""
    root = turn.board.root
    if root.kind == "NORMAL" and root.has_listeners:
        root.announce_at = turn.board.at
        root.is_changed = True
