"""Work that a worker does for flowables themselves: a working directory, and the first and last step of a ForEachItem."""

from __future__ import annotations

import contextlib
import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.engine import transitions
from flows.engine.arrangements.base import as_duration
from flows.engine.board import Run
from flows.engine.context import TaskContext, make_attempt_context
from flows.engine.directory import DirectoryRun
from flows.engine.results import Outcome
from flows.engine.services import ExecutionUpdate
from flows.expressions import ExpressionError
from flows.models.execution import Execution
from flows.plugin_api.fields import load_properties
from flows.plugin_api.files import NamespaceFilesOptions
from flows.plugin_api.globs import compile_workdir_pattern
from flows.plugin_api.registry import get_registry
from flows.plugin_api.splitting import Cut, read_size, split_lines
from flows.plugin_api.tasks import TaskFailure
from flows.plugin_api.working_files import collect_files, open_beneath, write_input_files, write_namespace_files
from flows.primitives.errors import FlowsError, InvalidError, NotFoundError
from flows.primitives.states import State, worst_of
from flows.storage import get_storage
from flows.storage.uri import cache_address

if TYPE_CHECKING:
    from flows.engine.turn import Turn
    from flows.engine.worker import Attempt

Conclusion = Callable[["Turn", Run], None]
"""Records the end of a run in its own way, inside the turn."""

Step = Callable[["Attempt"], tuple[Outcome, tuple[ExecutionUpdate, ...], Conclusion | None]]
"""Does the work of a run that is no plugin's; the outcome counts unless there is a conclusion."""


def _guarded(work: Callable[[Attempt, TaskContext], Outcome]) -> Step:
    def step(attempt: Attempt) -> tuple[Outcome, tuple[ExecutionUpdate, ...], None]:
        context = make_attempt_context(attempt, attempt.run)
        try:
            return work(attempt, context), (), None
        except TaskFailure as failure:
            return Outcome(State.FAILED, None, failure.message, failure.permanent), (), None
        except (ExpressionError, FlowsError) as error:
            return Outcome(State.FAILED, None, error.message), (), None
        finally:
            context.close()

    return step


def _split_items(attempt: Attempt, context: TaskContext) -> Outcome:
    """Cut the items into batch files and store the list of their addresses, one a line."""
    node = attempt.run.node
    assert node is not None
    properties = node.task.properties
    uri = str(context.render(properties.get("items")) or "").strip()
    if "://" not in uri:
        raise InvalidError(
            f'Property "items" of task "{attempt.run.task_id}" must be the address of a stored file; got "{uri[:200]}".'
        )
    batch: dict[str, Any] = context.render(dict(properties.get("batch") or {}))
    size = batch.get("bytes")
    cut = Cut(
        bytes=read_size(str(size)) if size else None,
        partitions=_whole(batch, "partitions"),
        rows=_whole(batch, "rows") or (None if size or batch.get("partitions") else 1),
        separator=str(batch.get("separator") or "\n"),
    )
    extension = Path(uri).suffix or ".txt"
    with tempfile.TemporaryDirectory(prefix="celestra-split-") as folder, context.storage.open(uri) as stream:
        parts = split_lines(stream, cut, Path(folder), extension=extension)
        addresses = [context.storage.put(part, f"bucket-{number}{extension}") for number, part in enumerate(parts)]
    listing = "".join(f"{address}\n" for address in addresses)
    return Outcome(State.SUCCESS, {"splits": context.storage.put(listing.encode(), "splits.txt")})


def _whole(batch: dict[str, Any], name: str) -> int | None:
    value = batch.get(name)
    if value in (None, ""):
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        raise InvalidError(f'Property "batch.{name}" must be a whole number; got "{value}".') from None


def _merge_items(attempt: Attempt, context: TaskContext) -> Outcome:
    """Join the outputs of all subflows into one row file; null when they have none or were not waited for."""
    items_id = attempt.run.task_id.removesuffix("_merge") + "_items"
    items = next((run for run in attempt.board.list_children(attempt.run.scope).values() if run.task_id == items_id), None)
    if items is None:
        return Outcome(State.SUCCESS, {"subflowOutputs": None})
    rows = Execution.objects.filter(caller_execution_id=attempt.board.root.id, caller_task_run_id=items.id)
    rows = rows.exclude(outputs=None).order_by("created_at", "id")
    outputs = list(rows.values_list("outputs", flat=True))
    if not outputs:
        return Outcome(State.SUCCESS, {"subflowOutputs": None})
    uri, _ = context.storage.write_rows(outputs, "outputs.ion")
    return Outcome(State.SUCCESS, {"subflowOutputs": uri})


def _working_directory(
    attempt: Attempt,
) -> tuple[Outcome, tuple[ExecutionUpdate, ...], Conclusion | None]:
    """Prepare the directory, run the children in it one after the other, then keep its files."""
    node = attempt.run.node
    assert node is not None
    with tempfile.TemporaryDirectory(prefix="celestra-") as folder:
        root = Path(folder)
        context = make_attempt_context(attempt, attempt.run, workdir=root, extra={"workingDir": folder})
        ended: dict[str, State] = {}
        outputs: dict[str, Any] = {}
        reason = ""
        try:
            plugin: Any = get_registry().load(get_registry().get(node.task.type))
            props = load_properties(plugin.Props, node.task.properties, context.render)
            restored = _restore_cache(attempt, context, props.cache, root)
            _lay_out(context, props, root)
            try:
                ended = DirectoryRun(attempt, root).run_children()
            finally:
                outputs = {"outputFiles": collect_files(context, root, props.output_files)} if props.output_files else {}
                _keep_cache(attempt, context, props.cache, root, restored)
        except TaskFailure as failure:
            reason = failure.message
        except (ExpressionError, FlowsError) as error:
            reason = error.message
    state = State.FAILED if reason else worst_of(set(ended.values()))
    return Outcome(state, outputs, reason), (), _conclude(state, outputs, reason)


def _conclude(state: State, outputs: dict[str, Any], reason: str) -> Callable[[Turn, Run], None]:
    """
    Return how the end is recorded: with `errors` or `finally` the engine goes on with these lists, unless the directory
    itself failed. The directory is never retried as a whole: its children were, inside it.
    """

    def conclude(turn: Turn, run: Run) -> None:
        has_tail = run.node is not None and (run.node.list_branch("errors") or run.node.list_branch("finally"))
        if reason or not has_tail:
            turn.end_run(run, state, outputs=outputs, reason=reason)
            return
        transitions.read_scope(turn.board, run.id, None)
        transitions.release_lease(run.id)
        turn.board.leave_directory(run)
        run.outputs = outputs or None
        turn.mark_dirty((run.id, None))

    return conclude


def _lay_out(context: TaskContext, props: Any, root: Path) -> None:
    options = NamespaceFilesOptions() if props.namespace_files is True else props.namespace_files
    if options and options.enabled:
        write_namespace_files(
            context,
            root,
            namespaces=options.namespaces or [context.flow["namespace"]],
            include=options.include,
            exclude=options.exclude,
            if_exists=options.if_exists,
            folder_per_namespace=options.folder_per_namespace,
        )
    if props.input_files:
        write_input_files(context, root, props.input_files)


def _cache_of(attempt: Attempt) -> str:
    root, run = attempt.board.root, attempt.run
    return str(cache_address(root.namespace, root.flow_id, task_id=run.task_id, value=run.value))


def _restore_cache(attempt: Attempt, context: TaskContext, cache: Any, root: Path) -> dict[str, bytes]:
    """Unpack the kept files unless they are older than their time to live; returns them by path."""
    if cache is None:
        return {}
    address = _cache_of(attempt)
    try:
        kept_at = get_storage().stat(address).modified_at
        ttl = as_duration(cache.ttl, name="cache.ttl", task_id=attempt.run.task_id)
        if ttl is not None and attempt.board.at - kept_at > ttl:
            get_storage().delete(address)
            return {}
        with get_storage().open_read(address) as stream:
            archive = zipfile.ZipFile(io.BytesIO(stream.read()))
    except (NotFoundError, zipfile.BadZipFile):
        return {}
    restored = {name: archive.read(name) for name in archive.namelist()}
    _write_files(root, restored)
    context.log.debug(f"Restored {len(restored)} file(s) from the cache.")
    return restored


def _write_files(root: Path, files: dict[str, bytes]) -> None:
    """Write files below a directory; names that would leave it are refused by the path check of the plugin contract."""
    for name, content in files.items():
        with open_beneath(root, name, write=True) as target:
            target.write(content)


def _keep_cache(attempt: Attempt, context: TaskContext, cache: Any, root: Path, restored: dict[str, bytes]) -> None:
    """Keep the matching files for the next run when one of them changed."""
    if cache is None:
        return
    patterns = [compile_workdir_pattern(pattern, str(root)) for pattern in cache.patterns]
    found = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink() and any(pattern.fullmatch(str(path)) for pattern in patterns)
    }
    if not found or found == restored:
        return
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in found.items():
            archive.writestr(name, content)
    with contextlib.suppress(NotFoundError):
        get_storage().write(_cache_of(attempt), packed.getvalue())
    context.log.debug(f"Kept {len(found)} file(s) in the cache.")


WORKER_STEPS: dict[str, Step] = {
    "split-items": _guarded(_split_items),
    "merge-items": _guarded(_merge_items),
    "working-directory": _working_directory,
}
"""Arrangement to the work that a worker does for it, besides plugins."""
