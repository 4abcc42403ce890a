"""What a running task sees: the engine's implementation of the plugin contract's `RunContext`."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.conf import read_plugin_setting
from flows.engine.board import Board, Run
from flows.engine.environment import RunEnvironment
from flows.engine.log_files import FileLog
from flows.engine.recording import Recorder, RunLog, RunMetrics, Subject
from flows.engine.services import ExecutionUpdate, Services
from flows.engine.stores import RunKeyValues, RunNamespaceFiles, RunStorage
from flows.engine.variables import ExecutionVariables, count_ended_attempts, merge_deep
from flows.expressions import render
from flows.models.encryption import encrypt_text
from flows.plugin_api.context import Platform

if TYPE_CHECKING:
    from flows.engine.worker import Attempt


def make_subject(board: Board, run: Run | None) -> Subject:
    """Return whom the log entries of a run, or of the execution itself, are about."""
    root = board.root
    if run is None:
        return Subject(root.namespace, root.flow_id, root.id)
    return Subject(root.namespace, root.flow_id, root.id, run.id, run.task_id, attempt_number=max(0, count_attempts(run) - 1))


def count_attempts(run: Run) -> int:
    """Return how many attempts began."""
    return len(run.attempts)


class TaskContext:
    """
    One attempt of one task run, as its plugin sees it. Most members are made on first use: a light task that only renders
    a text pays for nothing else.
    """

    def __init__(
        self,
        board: Board,
        run: Run,
        *,
        variables: ExecutionVariables,
        environment: RunEnvironment,
        recorder: Recorder,
        services: Services,
        workdir: Path | None = None,
        deadline: float | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self._board, self._run, self._services, self._recorder = board, run, services, recorder
        self._execution_variables = variables
        self._environment = environment
        self._extra = dict(extra or {})
        self._given_workdir = workdir
        self._own_workdir: Path | None = None
        self.deadline = deadline
        self.cancelled = threading.Event()
        self.updates: list[ExecutionUpdate] = []

    @cached_property
    def variables(self) -> dict[str, Any]:
        """The names that expressions see; the plugin may add to its own rendering through `render`."""
        return {**self._execution_variables.for_run(self._run), **self._extra}

    @cached_property
    def log(self) -> RunLog:
        """The log of the attempt."""
        task = self._run.node.task if self._run.node else None
        # What the engine itself logs while it prepares a flowable stays in the table: no attempt's end would store a file.
        kind = FileLog if task is not None and task.log_to_file and task.arrangement is None else RunLog
        return kind(self._recorder, make_subject(self._board, self._run), min_level=task.log_level if task else None)

    def store_log(self) -> str | None:
        """Store the log of the attempt if it goes to a file, and return its address; None when it goes to the table."""
        return self.log.store() if isinstance(self.log, FileLog) else None

    @cached_property
    def metrics(self) -> RunMetrics:
        """The metrics of the attempt."""
        return RunMetrics(self._recorder, make_subject(self._board, self._run))

    @cached_property
    def storage(self) -> RunStorage:
        """Internal storage with the rights of this execution."""
        return make_run_storage(self._board, self._run)

    @cached_property
    def kv(self) -> RunKeyValues:
        """The key-value store."""
        return RunKeyValues(self._board.root.namespace, lambda: self._board.at)

    @cached_property
    def namespace_files(self) -> RunNamespaceFiles:
        """The files of namespaces."""
        return RunNamespaceFiles(self._board.root.namespace)

    @cached_property
    def platform(self) -> Platform:
        """Other objects of the platform."""
        return self._services.make_platform(self._board.root.namespace, self._board.root.flow_id)

    @property
    def flow(self) -> Mapping[str, Any]:
        """`id`, `namespace`, `revision`, `tenantId`."""
        return self.variables["flow"]

    @property
    def execution(self) -> Mapping[str, Any]:
        """`id`, `startDate`, `originalId` and more."""
        return self.variables["execution"]

    @property
    def taskrun(self) -> Mapping[str, Any]:
        """`id`, `startDate`, `attemptsCount`, and what applies of `parentId`, `value`, `iteration`."""
        return self.variables["taskrun"]

    @property
    def task(self) -> Mapping[str, Any]:
        """`id` and `type`."""
        return self.variables["task"]

    @property
    def attempt(self) -> int:
        """Number of this attempt, from 0."""
        return count_ended_attempts(self._run)

    @property
    def workdir(self) -> Path:
        """The directory of the attempt; made on first use unless it is shared."""
        if self._given_workdir is not None:
            return self._given_workdir
        if self._own_workdir is None:
            self._own_workdir = Path(tempfile.mkdtemp(prefix="celestra-"))
        return self._own_workdir

    def render(self, value: Any, variables: Mapping[str, Any] | None = None, *, typed: bool = False) -> Any:
        """Render a template, or every template inside a map or list."""
        names = {**self.variables, **variables} if variables else self.variables
        return render(value, names, typed=typed, environment=self._environment)

    def secret(self, name: str) -> str:
        """Return a secret and hide it in the logs from now on."""
        return self._environment.secret(name, None, None)

    def mask(self, value: str) -> None:
        """Hide a value in everything this run logs from now on."""
        self._recorder.masker.add(value)

    def encrypt(self, value: str) -> dict[str, str]:
        """Return the encrypted envelope of a text."""
        return encrypt_text(value)

    def config(self, key: str, default: Any = None) -> Any:
        """Return a server-level setting of the plugin family."""
        return read_plugin_setting(key, default)

    def update_execution(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        variables: Mapping[str, Any] | None = None,
        unset_variables: Iterable[str] = (),
        exit_state: str | None = None,
    ) -> None:
        """Note a change of the execution; the engine applies it when the task run ends well."""
        self.updates.append(ExecutionUpdate(labels, variables, tuple(unset_variables), exit_state))

    def close(self) -> None:
        """Remove the private directory."""
        if self._own_workdir is not None:
            shutil.rmtree(self._own_workdir, ignore_errors=True)
            self._own_workdir = None


def make_run_storage(board: Board, run: Run) -> RunStorage:
    """Return the storage of a task run: it may read its own execution's files and those of the executions it came from."""
    root = board.root
    trigger_variables = (root.trigger or {}).get("variables") or {}
    related = [root.parent_id, root.original_id, root.caller_execution_id, trigger_variables.get("executionId")]
    return RunStorage(
        namespace=root.namespace,
        flow_id=root.flow_id,
        execution_id=root.id,
        task_id=run.task_id,
        task_run_id=run.id,
        related_execution_ids=tuple(other for other in related if other),
    )


def apply_updates(board: Board, updates: Iterable[ExecutionUpdate]) -> str | None:
    """
    Apply what updating tasks asked for to the execution on the board; return the state that Exit asked for, or None.

    Labels overwrite those of the same key; variables are merged level by level.
    """
    root = board.root
    exit_state = None
    for update in updates:
        root.is_changed = True
        if update.labels:
            kept = [label for label in root.labels if label["key"] not in update.labels]
            root.labels = kept + [{"key": key, "value": value} for key, value in update.labels.items()]
        if update.variables:
            root.variables = merge_deep(root.variables, update.variables)
        for path in update.unset_variables:
            # From now on the map stands alone: a key of the flow's own variables must stay away, too.
            known = (
                root.variables if root.progress.get("ownVariables") else merge_deep(board.graph.flow.variables, root.variables)
            )
            root.variables = _without(known, path.split("."))
            root.progress["ownVariables"] = True
        exit_state = update.exit_state or exit_state
    return exit_state


def _without(variables: Mapping[str, Any], path: list[str]) -> dict[str, Any]:
    first, *rest = path
    kept = dict(variables)
    if not rest:
        kept.pop(first, None)
    elif isinstance(kept.get(first), Mapping):
        kept[first] = _without(kept[first], rest)
    return kept


def make_attempt_context(attempt: Attempt, run: Run, **options: Any) -> TaskContext:
    """Return the context of a run of this attempt, stopped together with it."""
    context = TaskContext(
        attempt.board,
        run,
        variables=attempt.variables,
        environment=attempt.environment,
        recorder=attempt.recorder,
        services=attempt.services,
        deadline=attempt.watch.deadline,
        **options,
    )
    context.cancelled = attempt.watch.cancelled
    return context
