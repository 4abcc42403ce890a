"""What the functions of expressions may ask of the platform: secrets, values, files and logs, with the rights of the flow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flows.engine.board import Board
from flows.engine.fetching import fetch_parsed
from flows.engine.files import list_namespace_files, normalise_path, read_namespace_file
from flows.engine.recording import LEVELS, Recorder
from flows.engine.stores import RunStorage
from flows.expressions import ExpressionError, Kind, pick_secret_field
from flows.models.log import LogEntry
from flows.models.vault import read_key_value, read_secret
from flows.primitives.errors import NotFoundError

_ERROR_LEVEL = LEVELS.index("ERROR")
_MOST_ERROR_LOGS = 1_000


class FlowEnvironment:
    """The environment of a flow without an execution: previews, inputs and checks."""

    zone = "UTC"
    locale = "en"
    recursive = False

    def __init__(self, namespace: str, *, at: datetime | None = None, recorder: Recorder | None = None) -> None:
        self._namespace = namespace
        self._at = at
        self._recorder = recorder

    def secret(self, key: str, namespace: str | None = None, subkey: str | None = None) -> str:
        """Return a secret, and hide it in the logs from now on."""
        text = read_secret(namespace or self._namespace, key)
        for hidden in (text, *_list_texts_inside(text)):
            self.mask(hidden)
        value = pick_secret_field(key, text, subkey)
        self.mask(value)
        return value

    def kv(self, key: str, namespace: str | None = None, error_on_missing: bool = True) -> Any:
        """Return a stored value; a namespace's own value wins over that of its parents."""
        place = namespace or self._namespace
        try:
            return read_key_value(place, key, at=self.now(), inherit=namespace is None)
        except NotFoundError:
            if not error_on_missing:
                return None
            raise ExpressionError(Kind.NOT_FOUND, f"The key '{key}' does not exist in the namespace '{place}'.") from None

    def read_file(self, path: str, namespace: str | None = None) -> bytes:
        """Return the content of a namespace file, or of a stored file that the execution may read."""
        if "://" in path:
            with self._storage().open(path) as stream:
                return stream.read()
        return read_namespace_file(namespace or self._namespace, path)

    def file_size(self, path: str, namespace: str | None = None) -> int:
        """Return the size in bytes."""
        if "://" in path:
            return self._storage().size(path)
        return len(read_namespace_file(namespace or self._namespace, path))

    def file_exists(self, path: str, namespace: str | None = None) -> bool:
        """Tell whether the file exists."""
        if "://" in path:
            return self._storage().exists(path)
        return normalise_path(path) in list_namespace_files(namespace or self._namespace)

    def error_logs(self) -> list[dict[str, Any]]:
        """Return the error entries of the execution: none here."""
        return []

    def http(self, request: Mapping[str, Any]) -> Any:
        """Send a request and return the parsed body."""
        return fetch_parsed(request)

    def now(self) -> datetime:
        """Return the present moment."""
        return datetime.now(UTC)

    def mask(self, text: str) -> None:
        """Hide a text in the logs from now on."""
        if self._recorder is not None:
            self._recorder.masker.add(text)

    def _storage(self) -> RunStorage:
        return RunStorage(self._namespace, "", "")


def _list_texts_inside(secret: str) -> list[str]:
    """Return the texts inside a secret that is JSON: a field that is taken out of it must stay hidden, too."""
    if not secret.lstrip().startswith(("{", "[")):
        return []
    try:
        pending = [json.loads(secret)]
    except ValueError:
        return []
    found: list[str] = []
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str):
            found.append(value)
    return found


class RunEnvironment(FlowEnvironment):
    """The environment of an execution: its files and its logs as well."""

    def __init__(self, board: Board, recorder: Recorder) -> None:
        super().__init__(board.root.namespace, recorder=recorder)
        self._board = board
        self._own_recorder = recorder

    def error_logs(self) -> list[dict[str, Any]]:
        """Return the error entries of the execution, those of this visit included, oldest first."""
        root = self._board.root
        stored = LogEntry.objects.filter(execution_id=root.id, level=_ERROR_LEVEL).order_by("id")[:_MOST_ERROR_LOGS]
        names = ("timestamp", "message", "task_id", "task_run_id", "attempt_number", "namespace", "flow_id", "execution_id")
        rows: list[dict[str, Any]] = [dict(row) for row in stored.values(*names)]
        rows += [row for row in self._own_recorder.peek_logs() if row["level"] == _ERROR_LEVEL]
        return [
            {
                "timestamp": row["timestamp"],
                "level": "ERROR",
                "message": row["message"],
                "taskId": row["task_id"],
                "taskRunId": row["task_run_id"],
                "attemptNumber": row["attempt_number"],
                "namespace": row["namespace"],
                "flowId": row["flow_id"],
                "executionId": row["execution_id"],
            }
            for row in rows
        ]

    def _storage(self) -> RunStorage:
        root = self._board.root
        trigger_variables = (root.trigger or {}).get("variables") or {}
        related = (root.parent_id, root.original_id, root.caller_execution_id, trigger_variables.get("executionId"))
        return RunStorage(root.namespace, root.flow_id, root.id, related_execution_ids=tuple(other for other in related if other))
