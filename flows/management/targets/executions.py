"""The executions that commands work on, with their files: those of this database, or those of another installation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, Protocol

from django.utils import timezone

from flows.management.presenters import EXECUTION, Json, format_moment, narrow, present_execution
from flows.management.targets.actor import ACTOR, undone_if
from flows.management.targets.server import Query, Server, Upload, write_criteria
from flows.operations import executions as operations
from flows.operations.purges import count_purgeable_executions, purge_ended_executions
from flows.primitives.states import TERMINAL
from flows.queries.criteria import Condition, Criteria, Operation
from flows.queries.execution_files import get_readable_address, list_execution_files
from flows.queries.executions import get_execution, get_whole_execution, list_execution_ids, search_executions
from flows.queries.pages import Window
from flows.storage import get_storage

CHANGES = ("kill", "pause", "resume", "restart", "replay", "force-run", "unqueue", "delete")


@dataclass(frozen=True, slots=True)
class Start:
    """What starts an execution; `inputs` are texts, values or open files by dotted id."""

    namespace: str
    flow_id: str
    revision: int | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    labels: Sequence[tuple[str, str]] = ()
    schedule_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One of `CHANGES` with what may go with it. `kept` names what a deletion leaves: logs, metrics, files."""

    name: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    revision: int | None = None
    task_run_id: str | None = None
    cascades: bool = True
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Purge:
    """Which ended executions go: those that began before `end`, in a namespace with its children, in some end states."""

    end: datetime
    namespace: str | None = None
    states: Sequence[str] = ()


class Executions(Protocol):
    """What commands do with executions. Documents are those of the REST API, narrowed."""

    def start(self, wanted: Start) -> Json:
        """Start an execution. Raises NotFoundError, InvalidError, ConflictError."""

    def check_inputs(self, wanted: Start) -> list[Json]:
        """Return each input with its value and its faults (`id`, `value`, `errors`); nothing starts."""

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        """Return one page of executions without task runs."""

    def list_ids(self, criteria: Criteria) -> list[str]:
        """Return the ids of all executions that match, oldest first."""

    def get(self, execution_id: str) -> Json:
        """Return an execution with its task runs. Raises NotFoundError."""

    def change(self, execution_id: str, change: Change) -> str:
        """Do one thing to an execution; return its id, or that of the new execution. Raises NotFoundError, ConflictError."""

    def set_labels(self, execution_id: str, labels: Sequence[tuple[str, str]], *, dry_run: bool) -> Json:
        """Lay labels over those of an execution and return it."""

    def set_state(self, execution_id: str, state: str, *, dry_run: bool) -> Json:
        """Give an ended execution another end state and return it."""

    def list_files(self, execution_id: str) -> list[Json]:
        """Return `uri`, `size` in bytes and `modified` of the stored files of an execution."""

    def open_file(self, execution_id: str, uri: str) -> IO[bytes]:
        """Open a file for reading. Raises NotFoundError, ForbiddenError."""

    def purge(self, wanted: Purge, *, dry_run: bool) -> dict[str, int]:
        """
        Delete ended executions, or count what would go, and return the numbers `executions`, `logs`, `metrics` and `storages`
        (files). Another installation tells the number of executions only.
        """


class LocalExecutions:
    """The executions of this database."""

    def start(self, wanted: Start) -> Json:
        row = operations.start_execution(
            namespace=wanted.namespace,
            flow_id=wanted.flow_id,
            revision=wanted.revision,
            inputs=wanted.inputs,
            labels=wanted.labels,
            schedule_at=wanted.schedule_at,
            at=timezone.now(),
            actor=ACTOR,
        )
        return present_execution(row, ())

    def check_inputs(self, wanted: Start) -> list[Json]:
        resolved = operations.validate_inputs(
            namespace=wanted.namespace, flow_id=wanted.flow_id, revision=wanted.revision, inputs=wanted.inputs
        )
        faults: dict[str, list[str]] = {}
        for problem in resolved.problems:
            faults.setdefault(problem.input_id, []).append(problem.message)
        return [{"id": state.id, "value": state.value, "errors": faults.get(state.id, [])} for state in resolved.states]

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        return [present_execution(row) for row in search_executions(criteria, window, at=timezone.now()).results]

    def list_ids(self, criteria: Criteria) -> list[str]:
        return list_execution_ids(criteria, at=timezone.now())

    def get(self, execution_id: str) -> Json:
        return present_execution(*get_whole_execution(execution_id))

    def change(self, execution_id: str, change: Change) -> str:
        shared: dict[str, Any] = {"at": timezone.now(), "actor": ACTOR}
        match change.name:
            case "kill":
                operations.kill_execution(execution_id, cascade=change.cascades, **shared)
            case "pause":
                operations.pause_execution(execution_id, **shared)
            case "resume":
                operations.resume_execution(execution_id, inputs=change.inputs or None, **shared)
            case "restart" | "replay":
                again = operations.restart_execution if change.name == "restart" else operations.replay_execution
                return again(execution_id, task_run_id=change.task_run_id, revision=change.revision, **shared).id
            case "force-run":
                operations.force_run_execution(execution_id, **shared)
            case "unqueue":
                operations.unqueue_execution(execution_id, **shared)
            case "delete":
                gone: dict[str, Any] = {part: part not in change.kept for part in ("logs", "metrics", "files")}
                operations.delete_execution(execution_id, **gone, **shared)
        return execution_id

    def set_labels(self, execution_id: str, labels: Sequence[tuple[str, str]], *, dry_run: bool) -> Json:
        with undone_if(dry_run):
            return present_execution(operations.set_execution_labels(execution_id, labels=labels, at=timezone.now(), actor=ACTOR))

    def set_state(self, execution_id: str, state: str, *, dry_run: bool) -> Json:
        with undone_if(dry_run):
            return present_execution(
                operations.change_execution_status(execution_id, status=state, at=timezone.now(), actor=ACTOR)
            )

    def list_files(self, execution_id: str) -> list[Json]:
        found = list_execution_files(execution_id)
        return [{"uri": each.uri, "size": each.size_bytes, "modified": format_moment(each.modified_at)} for each in found]

    def open_file(self, execution_id: str, uri: str) -> IO[bytes]:
        address = get_readable_address(get_execution(execution_id), uri)
        return get_storage().open_read(str(address))

    def purge(self, wanted: Purge, *, dry_run: bool) -> dict[str, int]:
        act = count_purgeable_executions if dry_run else purge_ended_executions
        return act(end=wanted.end, namespace=wanted.namespace, states=list(wanted.states))


class RemoteExecutions:
    """The executions of another installation."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def start(self, wanted: Start) -> Json:
        query = [*_read_query(wanted), *(("labels", f"{key}:{value}") for key, value in wanted.labels)]
        if wanted.schedule_at is not None:
            query.append(("scheduleDate", wanted.schedule_at.isoformat()))
        fields, files = _split_inputs(wanted.inputs)
        parts = ("executions", wanted.namespace, wanted.flow_id)
        return narrow(self._server.send_form(*parts, query=query, fields=fields, files=files), EXECUTION)

    def check_inputs(self, wanted: Start) -> list[Json]:
        fields, files = _split_inputs(wanted.inputs)
        parts = ("executions", wanted.namespace, wanted.flow_id, "validate")
        answer = self._server.send_form(*parts, query=_read_query(wanted), fields=fields, files=files)
        return [
            {
                "id": each["input"]["id"],
                "value": each.get("value"),
                "errors": [str(error.get("message", "")) for error in each.get("errors") or ()],
            }
            for each in answer["inputs"]
        ]

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        rows = self._server.search("executions", "search", criteria=criteria, window=window)
        return [narrow(row, EXECUTION) for row in rows]

    def list_ids(self, criteria: Criteria) -> list[str]:
        rows = self._server.list_all("executions", "search", criteria=criteria, sort="state.startDate")
        return [str(row["id"]) for row in rows]

    def get(self, execution_id: str) -> Json:
        return narrow(self._server.get("executions", execution_id), EXECUTION)

    def change(self, execution_id: str, change: Change) -> str:
        parts = ("executions", execution_id)
        if change.name == "delete":
            names = {"logs": "deleteLogs", "metrics": "deleteMetrics", "files": "deleteStorage"}
            query: list[tuple[str, Any]] = [(name, part not in change.kept) for part, name in names.items()]
            self._server.send("DELETE", *parts, query=query)
            return execution_id
        if change.name == "kill":
            self._server.send("DELETE", *parts, "actions", "kill", query=[("isOnKillCascade", change.cascades)])
            return execution_id
        query = [("revision", change.revision)] if change.revision is not None else []
        if change.task_run_id is not None:
            query.append(("taskRunId", change.task_run_id))
        # An execution that does not exist makes the address that of a flow, so it is asked for first.
        self._server.get(*parts)
        fields = list(change.inputs.items())
        if fields:
            return str(self._server.send_form(*parts, "actions", change.name, query=query, fields=fields)["id"])
        return str(self._server.send("POST", *parts, "actions", change.name, query=query)["id"])

    def set_labels(self, execution_id: str, labels: Sequence[tuple[str, str]], *, dry_run: bool) -> Json:
        if dry_run:
            found = self._get_light(execution_id)
            merged = {label["key"]: label["value"] for label in found.get("labels", ())} | dict(labels)
            return {**found, "labels": [{"key": key, "value": value} for key, value in merged.items()]}
        self._server.get("executions", execution_id)
        body = [{"key": key, "value": value} for key, value in labels]
        self._server.send("POST", "executions", execution_id, "actions", "labels", body=body)
        return self._get_light(execution_id)

    def set_state(self, execution_id: str, state: str, *, dry_run: bool) -> Json:
        found = self._get_light(execution_id)
        if dry_run:
            return {**found, "state": {**found["state"], "current": state}}
        self._server.send("POST", "executions", execution_id, "actions", "change-status", query=[("status", state)])
        return self._get_light(execution_id)

    def _get_light(self, execution_id: str) -> Json:
        found = self.get(execution_id)
        found.pop("taskRunList", None)
        return found

    def list_files(self, execution_id: str) -> list[Json]:
        return list(self._server.get("executions", execution_id, "files"))

    def open_file(self, execution_id: str, uri: str) -> IO[bytes]:
        stream: IO[bytes] = self._server.open("executions", execution_id, "file", query=[("path", uri)])
        return stream

    def purge(self, wanted: Purge, *, dry_run: bool) -> dict[str, int]:
        states = ",".join(wanted.states or sorted(TERMINAL))
        members = [
            Condition("startDate", Operation.LESS_THAN_OR_EQUAL_TO, wanted.end.isoformat()),
            Condition("state", Operation.IN, states),
        ]
        if wanted.namespace:
            members.append(Condition("namespace", Operation.PREFIX, wanted.namespace))
        criteria = Criteria(members=tuple(members))
        if dry_run:
            return {"executions": len(self.list_ids(criteria))}
        answer = self._server.send("DELETE", "executions", "by-query", query=write_criteria(criteria))
        return {"executions": int(answer["count"])}


def _write_value(value: Any) -> str:
    return json.dumps(value)


def _read_query(wanted: Start) -> list[tuple[str, Any]]:
    return [("revision", wanted.revision)] if wanted.revision is not None else []


def _split_inputs(inputs: Mapping[str, Any]) -> tuple[Query, dict[str, Upload]]:
    fields: list[tuple[str, Any]] = []
    files: dict[str, Upload] = {}
    for key, value in inputs.items():
        if hasattr(value, "read"):
            files[key] = Upload(str(getattr(value, "name", key)).rpartition("/")[2] or key, value)
        else:
            fields.append((key, value if isinstance(value, str) else _write_value(value)))
    return fields, files
