"""The task cache: a task that ran well with equal properties is not run again. Looked up in the turn, kept with the state."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flows.conf import DEFAULT_TENANT, get_settings
from flows.engine.attempts import end_attempt, note_on_attempt, open_attempt
from flows.engine.board import Run
from flows.engine.context import make_run_storage
from flows.engine.results import Outcome
from flows.engine.transitions import dump
from flows.expressions import ExpressionError
from flows.models.task_cache import CachedResult
from flows.primitives.errors import FlowsError
from flows.primitives.states import State
from flows.storage import get_storage
from flows.storage.uri import SCHEME, parse_address

if TYPE_CHECKING:
    from flows.engine.turn import Turn
    from flows.engine.worker import Attempt

_KEY = "cacheKey"
"""Key in a task run's progress: under which its result will be kept."""

_PURGE_BATCH = 1_000


def reuse_result(turn: Turn, run: Run) -> bool:
    """
    End a task run that is about to begin with the outputs of an equal earlier one, or return False when it must run.

    Without files no worker is asked. Files are copied outside the transaction, so a result with files is left to the worker,
    see `restore_result`. Source: flow language, 7.5.
    """
    task = run.node.task if run.node else None
    if task is None or not task.cache_enabled or task.role != "runnable" or task.arrangement is not None:
        return False
    key = _make_key(turn, run)
    run.progress = {**(run.progress or {}), _KEY: key}
    turn.board.touch(run)
    found = _find(run, at=turn.board.at)
    if found is None or any(_list_files(found.outputs)):
        return False
    open_attempt(run, owner="", at=turn.board.at)
    note_on_attempt(run, Outcome(State.SUCCESS, found.outputs, cached=True))
    turn.board.move(run, State.RUNNING)
    end_attempt(turn, run, State.SUCCESS, outputs=found.outputs)
    return True


def restore_result(attempt: Attempt) -> Outcome | None:
    """
    Return a kept result as the outcome of an attempt, its files copied to this execution; None when there is none, or when
    one of its files is gone.
    """
    run = attempt.run
    found = _find(run, at=attempt.board.at)
    if found is None:
        return None
    copies: dict[str, str] = {}
    for uri in _list_files(found.outputs):
        copy = _copy_file(attempt, uri)
        if copy is None:
            return None
        copies[uri] = copy
    return Outcome(State.SUCCESS, _replace_files(found.outputs, copies), cached=True)


def keep_result(turn: Turn, run: Run, outcome: Outcome) -> None:
    """Keep the outputs of a task run that ended in SUCCESS, in the transaction of its end; a later equal run replaces them."""
    key = (run.progress or {}).get(_KEY)
    if not key or outcome.cached or outcome.state != State.SUCCESS or run.node is None:
        return
    root, ttl = turn.board.root, run.node.task.cache_ttl
    kept = {
        "namespace": root.namespace,
        "flow_id": root.flow_id,
        "task_id": run.task_id,
        "execution_id": root.id,
        "outputs": outcome.outputs,
        "created_at": turn.board.at,
        "expires_at": None if ttl is None else turn.board.at + ttl,
    }
    CachedResult.objects.update_or_create(key=key, defaults=kept)


def purge_expired_results(*, at: datetime) -> int:
    """Delete results whose time to live is over; returns how many."""
    expired = CachedResult.objects.filter(expires_at__lte=at).values_list("key", flat=True)[:_PURGE_BATCH]
    return CachedResult.objects.filter(key__in=list(expired)).delete()[0]


def _make_key(turn: Turn, run: Run) -> str | None:
    """
    Return the key of a task run's result: a keyed hash of what decides about it. None when the properties use names that only
    the plugin itself gives, so that they are not known before it runs.
    """
    assert run.node is not None
    root, task = turn.board.root, run.node.task
    try:
        properties = turn.render(run, dict(task.properties))
    except (ExpressionError, FlowsError) as error:
        turn.add_log(run, "DEBUG", f"The task cache cannot be used: {error.message}")
        return None
    place = [DEFAULT_TENANT, root.namespace, root.flow_id, task.id, task.type, run.value_path, (root.loop or {}).get("item")]
    return hmac.new(get_settings().encryption_key, dump([*place, properties]).encode(), hashlib.sha256).hexdigest()


def _find(run: Run, *, at: datetime) -> CachedResult | None:
    key = (run.progress or {}).get(_KEY)
    found = CachedResult.objects.filter(key=key).first() if key else None
    ttl = run.node.task.cache_ttl if run.node else None
    if found is None or (ttl is not None and found.created_at + ttl <= at):
        return None
    return found


def _list_files(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.startswith(f"{SCHEME}:///"):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _list_files(item)
    elif isinstance(value, list):
        for item in value:
            yield from _list_files(item)


def _replace_files(value: Any, copies: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return copies.get(value, value)
    if isinstance(value, Mapping):
        return {key: _replace_files(item, copies) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace_files(item, copies) for item in value]
    return value


def _copy_file(attempt: Attempt, uri: str) -> str | None:
    """
    Return the address of this execution's own copy, None when the file is gone. With a copy the outputs can be read, handed on
    and kept like those of any run, also when the execution that made the file is deleted.
    """
    # The engine kept this address itself from a run of the same task, so it reads the file with its own rights.
    storage = get_storage()
    address = parse_address(uri)
    if not storage.exists(str(address)):
        return None
    if address.execution_id() is None:
        return uri
    with storage.open_read(str(address)) as stream:
        return make_run_storage(attempt.board, attempt.run).put(stream, address.parts[-1].split("-", 1)[-1])
