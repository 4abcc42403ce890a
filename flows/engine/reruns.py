"""Restart and replay: which task runs are taken back, which are kept, and the new frontier. The same visit does the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flows.engine import transitions
from flows.engine.board import Board, Run
from flows.engine.boards import load_board
from flows.engine.catalog import LoadedFlow
from flows.engine.graph import Node
from flows.engine.rows import NewExecution, insert_execution
from flows.engine.starting import first_deadline, refuse_draft
from flows.engine.templates import FROZEN, get_graph
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.primitives.ids import new_id
from flows.primitives.states import State

if TYPE_CHECKING:
    from flows.engine.turn import Turn

RESTARTED_LABEL = "system.restarted"
_TAIL_BRANCHES = frozenset({"errors", "finally", "afterExecution"})
_SEEDS = frozenset({State.FAILED, State.PAUSED, State.KILLED, State.CANCELLED, State.RETRYING})


def prepare_restart(turn: Turn, *, changed: tuple[str, State] | None = None, only: str | None = None, actor: str = "") -> None:
    """
    Set an ended or paused execution back to what failed, and to RESTARTED.

    Task runs that failed begin again with a new attempt, their ancestors go on, everything below `errors`, `finally` and
    `afterExecution` is removed, all else is kept. `changed` gives one task run another end state instead of running it again.
    `only` names the one task run that begins again, or one above those that do; others that failed stay failed.

    Raises:
        ConflictError: it still runs.
        InvalidError: nothing of it, or of the task run that is named, failed.
        NotFoundError: the execution does not have the task run.

    Source: flow language, 10.4 and 10.6.
    """
    board = turn.board
    root = board.root
    if not root.is_terminal and root.state != State.PAUSED:
        raise ConflictError(f"Execution {root.id} is {root.state}; only an ended or paused execution can be restarted.")
    transitions.read_all(board)
    named = changed[0] if changed else only
    if named is not None and named not in board.runs:
        raise NotFoundError(f'Execution {root.id} has no task run "{named}".', code="task-run-not-found")
    keep = changed[0] if changed else None
    _remove_tails(board, keep)
    seeds = [board.runs[keep]] if keep else list_seeds(board)
    if only is not None:
        seeds = [run for run in seeds if only in (run.id, *(ancestor.id for ancestor in board.ancestors(run)))]
        if not seeds:
            raise InvalidError(
                f'Task run "{only}" of execution {root.id} did not fail, or stands in a branch that a restart runs anew: '
                "restart the execution without naming a task run, or replay it from there.",
                code="nothing-to-restart",
            )
    if not seeds:
        raise InvalidError(
            f"No task found to restart execution {root.id} from: none of its task runs failed. Use a replay instead.",
            code="nothing-to-restart",
        )
    for run in seeds:
        if run.id not in board.runs:
            continue
        if changed is not None:
            _give_state(board, run, changed[1])
        else:
            _set_back(board, run)
    for run in seeds:
        if run.id in board.runs:
            _reopen_ancestors(board, run)
    root.pause_asked = False
    root.progress.pop("exit", None)
    root.progress.pop("killedInto", None)
    root.progress.pop("brokenLevels", None)
    root.progress["restarted"] = True
    root.outputs = None
    root.error = ""
    if changed is None and all(label["key"] != RESTARTED_LABEL for label in root.labels):
        root.labels = [*root.labels, {"key": RESTARTED_LABEL, "value": "true"}]
    root.attempt_number += 1
    root.dispatched_at = board.at
    board.recount()
    board.move_root(State.RESTARTED)
    turn.add_log(None, "INFO", f"Restarted by {actor or 'an unnamed caller'}.")


def list_seeds(board: Board) -> list[Run]:
    """Return the task runs that a restart begins with: those that did not end well and have no such child of their own."""
    # One that is paused because its children are waits on: they are other executions, with a restart of their own.
    wanted = [run for run in board.runs.values() if run.state in _SEEDS and not (run.state == State.PAUSED and run.is_callee)]
    parents = {run.parent_id for run in wanted}
    return [run for run in wanted if run.id not in parents or _is_one_job(run)]


def _is_one_job(run: Run) -> bool:
    return run.node is not None and run.node.arrangement == "working-directory"


def _set_back(board: Board, run: Run) -> None:
    """Let a task run begin again: a runnable with a new attempt, a flowable that failed by itself from its opening."""
    for below in reversed(board.descendants(run)):
        board.remove(below)
    before = len([attempt for attempt in run.attempts if attempt["state"] != State.KILLED.value])
    failed_child = (run.progress or {}).get("failedChild")
    run.progress = {"attemptsBefore": before}
    if failed_child:
        run.progress["restartChild"] = failed_child
    run.loss_count = 0
    board.set_wake(run, None)
    board.move(run, State.RESTARTED)


def _give_state(board: Board, run: Run, state: State) -> None:
    if run.state != state:
        board.move(run, state)
    if run.attempts:
        run.attempts[-1] = {**run.attempts[-1], "state": state.value}


def _reopen_ancestors(board: Board, run: Run) -> None:
    for ancestor in board.ancestors(run):
        if ancestor.is_terminal or ancestor.state == State.PAUSED:
            board.move(ancestor, State.RUNNING)


def _remove_tails(board: Board, keep: str | None) -> None:
    kept = {keep}
    if keep is not None:
        kept.update(ancestor.id for ancestor in board.ancestors(board.runs[keep]))
    for run in reversed(list(board.runs.values())):
        if run.node is not None and run.node.branch in _TAIL_BRANCHES and run.id not in kept and run.id in board.runs:
            for below in reversed(board.descendants(run)):
                board.remove(below)
            board.remove(run)


def copy_for_replay(
    execution_id: str,
    *,
    loaded: LoadedFlow,
    task_run_id: str | None,
    from_failure: bool,
    inputs: Mapping[str, Any] | None,
    breakpoints: Sequence[Mapping[str, Any]],
    actor: str,
    at: datetime,
) -> str:
    """
    Create the execution that replays another one and return its id; the caller holds a transaction.

    Without a task run it begins from scratch. From task run T, every task run is copied under a new id, T begins again,
    its successors are left out, predecessors and independent branches keep state and outputs. Source: flow language, 10.5.

    Raises:
        NotFoundError, InvalidError: there is no such execution or task run, or a draft is asked for.
        ConflictError: a replay from a task run of an execution that still runs.
    """
    source = transitions.read_root(execution_id, lock=True)
    if source is None:
        raise NotFoundError(f'Execution not found: there is no execution "{execution_id}".', code="execution-not-found")
    refuse_draft(loaded, source.kind)
    board = load_board(source, at=at)
    is_partial = task_run_id is not None or from_failure
    if is_partial:
        if not source.is_terminal and source.state != State.PAUSED:
            raise ConflictError(f"Execution {execution_id} is {source.state}; replay it from a task when it has ended.")
        transitions.read_all(board)
        if task_run_id is not None and task_run_id not in board.runs:
            raise InvalidError(f'No task found to replay from: execution {execution_id} has no task run "{task_run_id}".')
    own = [(label["key"], label["value"]) for label in source.labels]
    progress: dict[str, Any] = {"restarted": True} if is_partial else {}
    if is_partial and loaded.revision == source.flow_revision and FROZEN in source.progress:
        progress[FROZEN] = source.progress[FROZEN]
    target_id = new_id()
    insert_execution(
        NewExecution(
            id=target_id,
            namespace=source.namespace,
            flow_id=source.flow_id,
            flow_revision=loaded.revision,
            at=at,
            kind=source.kind,
            inputs=source.inputs if inputs is None else inputs,
            variables=source.variables if is_partial else {},
            labels=_replay_labels(own, source.id, target_id, actor),
            trigger=source.trigger,
            parent_id=source.id,
            original_id=source.original_id,
            breakpoints=breakpoints,
            progress=progress,
            loop=source.loop,
            # An iteration that is replayed sees what its caller gave out, but nobody counts it.
            caller_execution_id=source.caller_execution_id if source.loop else None,
            depth=source.depth,
            wake_at=first_deadline(loaded, at) if source.kind == "NORMAL" else None,
        )
    )
    if is_partial:
        _copy_runs(board, target_id, task_run_id, at)
    return target_id


def _replay_labels(labels: list[tuple[str, str]], source_id: str, target_id: str, actor: str) -> list[tuple[str, str]]:
    joined = dict(labels)
    if joined.get("system.correlationId") == source_id:
        joined["system.correlationId"] = target_id
    joined["system.replay"] = "true"
    if actor:
        joined["system.username"] = actor
    return list(joined.items())


def _copy_runs(board: Board, target_id: str, task_run_id: str | None, at: datetime) -> None:
    seeds = [board.runs[task_run_id]] if task_run_id is not None else list_seeds(board)
    if not seeds:
        raise InvalidError(f"No task found to restart execution {board.root.id} from: none of its task runs failed.")
    dropped = {run.id for run in board.runs.values() if run.node is not None and run.node.branch in _TAIL_BRANCHES}
    for seed in seeds:
        dropped.update(run.id for run in list_successors(board, seed))
        dropped.update(run.id for run in board.descendants(seed))
    dropped.difference_update(seed.id for seed in seeds)
    target_root = transitions.read_root(target_id, lock=True)
    assert target_root is not None
    target = Board(target_root, get_graph(target_root), at=at)
    names: dict[str, str] = {}
    reopened = {ancestor.id for seed in seeds for ancestor in board.ancestors(seed)}
    seed_ids = {seed.id for seed in seeds}
    for run in board.runs.values():
        if run.id in dropped or (run.parent_id is not None and run.parent_id not in names):
            continue
        if run.activity is not None and run.id not in reopened and run.id not in seed_ids:
            _begin_anew(target, run, names)
            continue
        names[run.id] = new_id()
        copy = _copy_run(run, names, target, is_seed=run.id in seed_ids, is_reopened=run.id in reopened, at=at)
        if (copy.plan or {}).get("count"):
            copy.items = transitions.read_items(run, 0, int((copy.plan or {})["count"]))
        target.add(copy)
    target.recount()
    transitions.write_board(target)


def _begin_anew(target: Board, run: Run, names: Mapping[str, str]) -> None:
    """What still ran or waited in the source runs there; the replay begins it itself, with everything below it."""
    node = target.graph.get(run.task_id)
    parent = target.runs[names[run.parent_id]] if run.parent_id else None
    if node is not None:
        target.create(node, parent, iteration=run.iteration, value=run.value)


def _copy_run(run: Run, names: Mapping[str, str], target: Board, *, is_seed: bool, is_reopened: bool, at: datetime) -> Run:
    state = run.state
    histories = list(run.histories)
    if is_seed:
        state = State.RESTARTED
    elif is_reopened:
        state = State.RUNNING
    if state != run.state:
        histories.append([state.value, at.isoformat()])
    return Run(
        id=names[run.id],
        task_id=run.task_id,
        node=target.graph.get(run.task_id),
        parent_id=names[run.parent_id] if run.parent_id else None,
        iteration=run.iteration,
        value=run.value,
        value_path=list(run.value_path),
        state=state,
        seen=None,
        histories=histories,
        created_at=run.created_at,
        ended_at=run.ended_at if state == run.state else None,
        attempts=list(run.attempts),
        outputs=None if is_seed else run.outputs,
        plan=None if is_seed else run.plan,
        progress={"attemptsBefore": len(run.attempts)} if is_seed else run.progress,
        dynamic=run.dynamic,
        is_changed=True,
    )


def list_successors(board: Board, run: Run) -> list[Run]:
    """
    Return the task runs that come after `run` in the graph: later siblings in sequences, dependants in a Dag, later
    iterations, and the same for each of its ancestors. Source: flow language, 10.5.
    """
    found: list[Run] = []
    current: Run | None = run
    while current is not None and current.node is not None:
        found += [other for other in board.list_children(current.scope).values() if _comes_after(other.node, current.node)]
        parent = board.get_parent(current)
        if parent is not None and current.iteration is not None and _is_sequential_each(parent):
            for (parent_id, iteration), runs in board.scopes.items():
                if parent_id == parent.id and iteration is not None and iteration > current.iteration:
                    found += runs.values()
        current = parent
    return found


def _is_sequential_each(parent: Run) -> bool:
    return bool(parent.node and parent.node.arrangement == "each" and int((parent.plan or {}).get("limit", 1)) == 1)


def _comes_after(other: Node | None, node: Node) -> bool:
    if other is None or other is node or other.parent is not node.parent:
        return False
    parent = node.parent
    if parent is not None and parent.arrangement == "parallel":
        return False
    if parent is not None and parent.arrangement == "dag":
        return _depends_on(parent, other.id, node.id)
    if other.branch != node.branch:
        return False
    siblings = parent.list_branch(node.branch) if parent is not None else None
    if siblings is None:
        return _position_in_root(other, node)
    return siblings.index(other) > siblings.index(node)


def _position_in_root(other: Node, node: Node) -> bool:
    return other.task.position > node.task.position


def _depends_on(parent: Node, task_id: str, wanted: str) -> bool:
    waits_for = parent.task.depends_on.get(task_id, ())
    return wanted in waits_for or any(_depends_on(parent, other, wanted) for other in waits_for)
