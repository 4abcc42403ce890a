"""The platform of `FakeContext`: executions, logs, triggers and revisions in lists, with the rules that core tasks rely on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from flows.plugin_api.testing_stores import is_chosen_namespace
from flows.primitives.errors import ConflictError, InvalidError, NotFoundError
from flows.primitives.states import TERMINAL, State

_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


@dataclass
class FakeExecution:
    """One execution of the fake platform; `resume_inputs` names the inputs that a resume must bring."""

    id: str
    namespace: str
    flow_id: str
    state: str
    started_at: datetime
    resume_inputs: tuple[str, ...] = ()
    resumed_with: Mapping[str, Any] | None = None
    file_count: int = 0
    metric_count: int = 0
    parent_id: str | None = None


@dataclass
class FakePlatform:
    """Fill the lists, run the task, look at the lists. Rules are those of the protocol's docstrings."""

    now: Callable[[], datetime]
    executions: list[FakeExecution] = field(default_factory=list)
    logs: list[dict[str, Any]] = field(default_factory=list)
    triggers: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    """(namespace, flow id, trigger id) to whether it is enabled."""
    revisions: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    execution_folders: dict[str, int] = field(default_factory=dict)
    """Execution id to the number of files in its folder; the execution itself need not exist any more."""

    def find_execution(self, execution_id: str) -> FakeExecution | None:
        """Return the execution, or None."""
        return next((e for e in self.executions if e.id == execution_id), None)

    def _get(self, execution_id: str) -> FakeExecution:
        found = self.find_execution(execution_id)
        if found is None:
            raise NotFoundError(f'There is no execution "{execution_id}".', code="unknown-execution")
        return found

    def count_executions(
        self,
        *,
        flows: list[Mapping[str, str]] | None,
        namespaces: list[str] | None,
        states: list[str] | None,
        start: datetime,
        end: datetime | None,
    ) -> list[dict[str, Any]]:
        last = end or self.now()
        chosen = [e for e in self.executions if start <= e.started_at <= last and (not states or e.state in states)]
        found: list[dict[str, Any]] = []
        for flow in flows or []:
            namespace, flow_id = flow["namespace"], flow["flowId"]
            count = sum(e.namespace == namespace and e.flow_id == flow_id for e in chosen)
            found.append({"namespace": namespace, "flowId": flow_id, "count": count})
        for namespace in namespaces or []:
            if count := sum(e.namespace == namespace for e in chosen):
                found.append({"namespace": namespace, "flowId": None, "count": count})
        return found

    def resume_execution(
        self, execution_id: str, inputs: Mapping[str, Any], *, namespace: str | None = None, flow_id: str | None = None
    ) -> None:
        execution = self._get(execution_id)
        if namespace is not None and (execution.namespace, execution.flow_id) != (namespace, flow_id):
            raise NotFoundError(f'Flow "{namespace}.{flow_id}" has no execution "{execution_id}".', code="unknown-execution")
        if execution.state != State.PAUSED:
            raise ConflictError(f'Execution "{execution_id}" is {execution.state} and not PAUSED.', code="not-paused")
        missing = [name for name in execution.resume_inputs if name not in inputs]
        if missing:
            raise InvalidError(f"To resume, the inputs {', '.join(missing)} are needed.", code="input-missing")
        execution.state, execution.resumed_with = State.RUNNING, dict(inputs)

    def kill_execution(self, execution_id: str, *, cascade: bool) -> None:
        execution = self._get(execution_id)
        if execution.state in TERMINAL:
            raise ConflictError(f'Execution "{execution_id}" has already ended as {execution.state}.', code="already-ended")
        execution.state = State.KILLED
        for child in [e for e in self.executions if cascade and e.parent_id == execution_id and e.state not in TERMINAL]:
            self.kill_execution(child.id, cascade=True)

    def purge_executions(self, **options: Any) -> dict[str, int]:
        states = options.get("states")
        chosen = [
            e
            for e in self.executions
            if e.state in TERMINAL
            and (not states or e.state in states)
            and _is_within(e.started_at, options)
            and _is_chosen(e.namespace, e.flow_id, options)
        ]
        ids = {e.id for e in chosen}
        counts = {"executions": 0, "logs": 0, "storages": 0, "metrics": 0}
        if options.get("log", True):
            counts["logs"] = self._drop_logs(lambda row: row["executionId"] in ids)
        if options.get("storage", True):
            counts["storages"] = sum(e.file_count for e in chosen)
        if options.get("metric", True):
            counts["metrics"] = sum(e.metric_count for e in chosen)
        if options.get("execution", True):
            counts["executions"] = len(chosen)
            self.executions = [e for e in self.executions if e.id not in ids]
        return counts

    def fetch_logs(
        self,
        *,
        execution_id: str,
        task_ids: list[str] | None,
        min_level: str,
        namespace: str | None = None,
        flow_id: str | None = None,
    ) -> list[dict[str, Any]]:
        least = _LEVELS.index(min_level)
        rows = [r for r in self.logs if r["executionId"] == execution_id and _LEVELS.index(r["level"]) >= least]
        if namespace is not None:
            rows = [r for r in rows if (r["namespace"], r["flowId"]) == (namespace, flow_id)]
        rows.sort(key=lambda row: row["timestamp"])
        return rows if task_ids is None else [r for task in task_ids for r in rows if r["taskId"] == task]

    def purge_logs(self, **options: Any) -> int:
        levels, execution_id = options.get("levels"), options.get("execution_id")
        return self._drop_logs(
            lambda row: (
                (not levels or row["level"] in levels)
                and (execution_id is None or row["executionId"] == execution_id)
                and _is_within(row["timestamp"], options)
                and _is_chosen(row["namespace"], row["flowId"], options)
            )
        )

    def _drop_logs(self, is_chosen: Callable[[dict[str, Any]], bool]) -> int:
        before = len(self.logs)
        self.logs = [row for row in self.logs if not is_chosen(row)]
        return before - len(self.logs)

    def toggle_trigger(self, *, namespace: str, flow_id: str, trigger_id: str, enabled: bool) -> None:
        key = (namespace, flow_id, trigger_id)
        if key not in self.triggers:
            raise NotFoundError(f'Flow "{namespace}.{flow_id}" has no trigger "{trigger_id}".', code="unknown-trigger")
        self.triggers[key] = enabled

    def purge_flows(self, **options: Any) -> int:
        keep = max(1, int((options.get("behavior") or {}).get("keepAmount") or 1))
        removed = 0
        for (namespace, flow_id), revisions in self.revisions.items():
            if is_chosen_namespace(namespace, options) and fnmatchcase(flow_id, options.get("flow_pattern") or "*"):
                removed += max(0, len(revisions) - keep)
                del revisions[:-keep]
        return removed

    def purge_storage(self, **options: Any) -> dict[str, int]:
        known = {e.id: e.started_at for e in self.executions}
        chosen = [name for name in self.execution_folders if name not in known or known[name] < options["end"]]
        files = sum(self.execution_folders[name] for name in chosen)
        counts = {"scanned": len(self.execution_folders), "purged": len(chosen), "deleted_files": files}
        if options.get("dry_run", True):
            return {**counts, "deleted_files": 0}
        for name in chosen:
            del self.execution_folders[name]
        return counts


def _is_within(moment: datetime, options: Mapping[str, Any]) -> bool:
    start, end = options.get("start"), options.get("end")
    return (start is None or moment >= start) and (end is None or moment <= end)


def _is_chosen(namespace: str, flow_id: str, options: Mapping[str, Any]) -> bool:
    wanted, flow = options.get("namespace"), options.get("flow_id")
    if flow is not None:
        return namespace == wanted and flow_id == flow
    return wanted is None or namespace == wanted or namespace.startswith(f"{wanted}.")
