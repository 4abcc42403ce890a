"""The log lines that commands show: those of this database, or those of another installation."""

from __future__ import annotations

from typing import Protocol

from django.utils import timezone

from flows.management.presenters import LOG, Json, narrow, present_log
from flows.management.targets.server import Server
from flows.queries.criteria import Criteria
from flows.queries.executions import get_execution
from flows.queries.logs import filter_logs, has_logs, search_logs
from flows.queries.pages import Window


class Logs(Protocol):
    """What commands do with log lines. Documents are those of the REST API, narrowed."""

    def list_of_execution(self, execution_id: str, *, min_level: str = "", task_id: str = "") -> list[Json]:
        """Return the lines of an execution as they happened. Raises NotFoundError."""

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        """Return one page of lines of all executions, newest first unless the window says otherwise."""


class LocalLogs:
    """The log lines of this database."""

    def list_of_execution(self, execution_id: str, *, min_level: str = "", task_id: str = "") -> list[Json]:
        found = [present_log(entry) for entry in filter_logs(execution_id, min_level=min_level, task_id=task_id)]
        if not found and not has_logs(execution_id):
            get_execution(execution_id)
        return found

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        return [present_log(entry) for entry in search_logs(criteria, window, at=timezone.now()).results]


class RemoteLogs:
    """The log lines of another installation."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def list_of_execution(self, execution_id: str, *, min_level: str = "", task_id: str = "") -> list[Json]:
        query = [(name, value) for name, value in (("minLevel", min_level), ("taskId", task_id)) if value]
        return [narrow(entry, LOG) for entry in self._server.get("logs", execution_id, query=query)]

    def search(self, criteria: Criteria, window: Window) -> list[Json]:
        rows = self._server.search("logs", "search", criteria=criteria, window=window)
        return [narrow(row, LOG) for row in rows]
