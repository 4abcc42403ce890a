"""What a running plugin may ask of the platform. Protocols: the engine and the test kit implement them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import IO, Any, Protocol


class TaskLog(Protocol):
    """The log of the attempt. Secrets are masked and long messages cut on the way. Who inherits from it writes `log` alone."""

    def log(self, level: str, message: str, *, at: datetime | None = None) -> None:
        """Write one entry; `level` is TRACE, DEBUG, INFO, WARN or ERROR."""

    def trace(self, message: str) -> None:
        """Write at TRACE."""
        self.log("TRACE", message)

    def debug(self, message: str) -> None:
        """Write at DEBUG."""
        self.log("DEBUG", message)

    def info(self, message: str) -> None:
        """Write at INFO."""
        self.log("INFO", message)

    def warning(self, message: str) -> None:
        """Write at WARN."""
        self.log("WARN", message)

    def error(self, message: str) -> None:
        """Write at ERROR."""
        self.log("ERROR", message)


class TaskMetrics(Protocol):
    """Metrics of the attempt, stored when it ends, also on failure. A timer takes seconds or a timedelta."""

    def counter(self, name: str, value: float, /, **tags: str) -> None: ...
    def timer(self, name: str, value: float | timedelta, /, **tags: str) -> None: ...
    def gauge(self, name: str, value: float, /, **tags: str) -> None: ...


class FileStorage(Protocol):
    """
    Internal storage as this task run may use it. Addresses are `kestra:///...`; every read checks that the file belongs to
    this execution, to one it came from, or to a namespace it may read.
    """

    def open(self, uri: str) -> AbstractContextManager[IO[bytes]]:
        """Open a stored file for reading. Raises NotFoundError or ForbiddenError."""

    def put(self, source: Path | IO[bytes] | bytes, name: str) -> str:
        """Store a file of this task run under a name of its own and return its address."""

    def exists(self, uri: str) -> bool: ...
    def size(self, uri: str) -> int: ...
    def delete(self, uri: str) -> bool: ...

    def delete_execution_files(self) -> list[str]:
        """Delete every file of the running execution and return their addresses."""

    def read_rows(self, uri: str) -> Iterator[Any]:
        """Yield the values of a row file, one per line."""

    def write_rows(self, rows: Iterable[Any], name: str = "rows.ion") -> tuple[str, int]:
        """Write a row file and return its address and the number of rows. Rows are streamed, never held together."""


class KeyValues(Protocol):
    """The key-value store of one namespace after another; `namespace` None means the flow's own."""

    def get(self, key: str, *, namespace: str | None = None, inherit: bool = False) -> Any:
        """Return the value. Raises NotFoundError when it is missing or expired."""

    def set(
        self,
        key: str,
        value: Any,
        *,
        namespace: str | None = None,
        kind: str | None = None,
        ttl: timedelta | None = None,
        overwrite: bool = True,
        description: str | None = None,
    ) -> None:
        """Store a value; `kind` is STRING, NUMBER, BOOLEAN, DATETIME, DATE, DURATION or JSON (deduced when None)."""

    def delete(self, key: str, *, namespace: str | None = None) -> bool: ...
    def keys(self, *, prefix: str = "", namespace: str | None = None) -> list[str]: ...
    def purge(self, **options: Any) -> int:
        """
        Remove keys or old versions and return how many. Options: `namespaces` (list) or `namespace_pattern` (glob) or neither
        for all, `include_child_namespaces`, `key_pattern` (glob), `behavior`: `{type: key, expiredOnly}` or
        `{type: version, keepAmount}` or `{type: version, before: datetime}`.
        """


class NamespaceFiles(Protocol):
    """Files of namespaces, by path with a leading slash."""

    def read(self, path: str, *, namespace: str | None = None) -> bytes: ...
    def write(self, path: str, content: bytes, *, namespace: str | None = None, conflict: str = "OVERWRITE") -> str:
        """Store and return the address; `conflict` is OVERWRITE, ERROR or SKIP."""

    def delete(self, path: str, *, namespace: str | None = None) -> bool: ...
    def list(self, *, namespace: str | None = None) -> list[str]: ...
    def purge(self, **options: Any) -> int:
        """
        Remove old versions, never the newest, and return how many. Options: `namespaces` or `namespace_pattern` or neither,
        `include_child_namespaces`, `file_pattern` (glob), `behavior`: `{type: version, keepAmount}` or
        `{type: version, before: datetime}`.
        """


class Platform(Protocol):
    """Other objects of the platform that core tasks act on, with the rights of the flow."""

    def count_executions(
        self,
        *,
        flows: list[Mapping[str, str]] | None,
        namespaces: list[str] | None,
        states: list[str] | None,
        start: datetime,
        end: datetime | None,
    ) -> list[dict[str, Any]]:
        """Return `{namespace, flowId, count}` rows as `execution.Count` defines them, before its expression filters."""

    def resume_execution(
        self, execution_id: str, inputs: Mapping[str, Any], *, namespace: str | None = None, flow_id: str | None = None
    ) -> None:
        """Resume every paused task run. Raises NotFoundError, ConflictError (not paused) or InvalidError (inputs)."""

    def kill_execution(self, execution_id: str, *, cascade: bool) -> None:
        """Kill an execution, with its subflows when `cascade`. Raises NotFoundError or ConflictError (already ended)."""

    def purge_executions(self, **options: Any) -> dict[str, int]:
        """
        Delete ended executions and return the counts `executions`, `logs`, `storages`, `metrics`. Options: `namespace` (prefix
        unless `flow_id`), `flow_id`, `start`, `end` (datetimes), `states`, `batch_size` (executions at a time, or None), and the
        booleans `execution`, `log`, `metric`, `storage`.
        """

    def fetch_logs(
        self,
        *,
        execution_id: str,
        task_ids: list[str] | None,
        min_level: str,
        namespace: str | None = None,
        flow_id: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return log entries as rows of the API's log fields, by task in the order of `task_ids`, else by time."""

    def purge_logs(self, **options: Any) -> int:
        """
        Delete logs and return how many. Options: `namespace` (prefix unless `flow_id`), `flow_id`, `execution_id`, `levels`
        (exact set), `start`, `end` (datetimes).
        """

    def toggle_trigger(self, *, namespace: str, flow_id: str, trigger_id: str, enabled: bool) -> None:
        """Set the `disabled` flag of a trigger. Raises NotFoundError when the flow or its trigger is unknown."""

    def purge_flows(self, **options: Any) -> int:
        """
        Delete old revisions, never the latest, and return how many. Options: `namespaces` or `namespace_pattern` or neither,
        `include_child_namespaces`, `flow_pattern` (glob), `behavior` as for namespace files.
        """

    def purge_storage(self, **options: Any) -> dict[str, int]:
        """
        Delete the folders of executions that no longer exist or are older than `end`, and return the counts `scanned`,
        `purged`, `deleted_files`. Options: `namespace` (with children), `flow_id`, `start`, `end` (datetimes), `dry_run`.
        """


class RunContext(Protocol):
    """Everything one attempt of one task run may see and do."""

    @property
    def log(self) -> TaskLog:
        """The log of the attempt."""

    @property
    def metrics(self) -> TaskMetrics:
        """The metrics of the attempt."""

    @property
    def storage(self) -> FileStorage:
        """Internal storage with the rights of the execution."""

    @property
    def kv(self) -> KeyValues:
        """The key-value store."""

    @property
    def namespace_files(self) -> NamespaceFiles:
        """The files of namespaces."""

    @property
    def platform(self) -> Platform:
        """Other objects of the platform."""

    @property
    def variables(self) -> Mapping[str, Any]:
        """The names that templates see: `inputs`, `outputs`, `vars` and the others; values may be loaded when looked at."""

    @property
    def flow(self) -> Mapping[str, Any]:
        """`id`, `namespace`, `revision`, `tenantId`."""

    @property
    def execution(self) -> Mapping[str, Any]:
        """`id`, `startDate`, `originalId`."""

    @property
    def taskrun(self) -> Mapping[str, Any]:
        """`id`, `startDate`, `attemptsCount`, `parentId`, `value`, `iteration`."""

    @property
    def task(self) -> Mapping[str, Any]:
        """`id`, `type`."""

    @property
    def attempt(self) -> int:
        """Number of this attempt, from 0 as logs count them."""

    @property
    def cancelled(self) -> Event:
        """Set when the execution is killed or the timeout has passed."""

    @property
    def deadline(self) -> float | None:
        """`time.monotonic()` value at which the timeout passes; None without timeout."""

    @property
    def workdir(self) -> Path:
        """A private directory, made on first use and removed afterwards; the shared one inside a WorkingDirectory."""

    def render(self, value: Any, variables: Mapping[str, Any] | None = None, *, typed: bool = False) -> Any:
        """Render a template, or every template inside a map or list, with `variables` added to the usual ones."""

    def secret(self, name: str) -> str:
        """Return a secret and register it for masking. Raises NotFoundError."""

    def mask(self, value: str) -> None:
        """Hide `value` in everything this run logs from now on."""

    def encrypt(self, value: str) -> dict[str, str]: ...

    def config(self, key: str, default: Any = None) -> Any:
        """A server-level setting of this plugin family."""

    def update_execution(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        variables: Mapping[str, Any] | None = None,
        unset_variables: Iterable[str] = (),
        exit_state: str | None = None,
    ) -> None:
        """Change the running execution when this task run ends well; only updating tasks may call it."""
