"""
An in-memory `RunContext` for tests of plugins: files in a temporary folder, everything else in plain lists and dicts.

Supported and tested like the rest of the contract. It keeps the promises of `flows.plugin_api.context`, it does not record calls.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

from flows.plugin_api.context import TaskLog
from flows.plugin_api.fields import load_properties
from flows.plugin_api.tasks import RunnableTask
from flows.plugin_api.testing_platform import FakePlatform
from flows.plugin_api.testing_stores import FakeKeyValues, FakeNamespaceFiles, FakeStorage
from flows.primitives.errors import NotFoundError

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One captured log entry."""

    level: str
    message: str
    at: datetime | None = None


class FakeLog(TaskLog):
    """Captures entries; masked values are replaced like in production."""

    def __init__(self, masked: set[str]) -> None:
        self.lines: list[LogLine] = []
        self._masked = masked

    def log(self, level: str, message: str, *, at: datetime | None = None) -> None:
        if level not in LEVELS:
            raise ValueError(f'"{level}" is no log level; expected one of {", ".join(LEVELS)}')
        for secret in sorted(self._masked, key=len, reverse=True):
            message = message.replace(secret, "******")
        self.lines.append(LogLine(level, message, at))

    def messages(self, level: str | None = None) -> list[str]:
        """Return the captured messages, of one level or of all."""
        return [line.message for line in self.lines if level is None or line.level == level]


@dataclass(frozen=True, slots=True)
class MetricEntry:
    """One captured metric. The value of a timer is in seconds."""

    type: str
    name: str
    value: float
    tags: Mapping[str, str] = field(default_factory=dict)


class FakeMetrics:
    """Captures metrics in the order of the calls."""

    def __init__(self) -> None:
        self.entries: list[MetricEntry] = []

    def counter(self, name: str, value: float, /, **tags: str) -> None:
        self.entries.append(MetricEntry("counter", name, value, tags))

    def timer(self, name: str, value: float | timedelta, /, **tags: str) -> None:
        seconds = value.total_seconds() if isinstance(value, timedelta) else value
        self.entries.append(MetricEntry("timer", name, seconds, tags))

    def gauge(self, name: str, value: float, /, **tags: str) -> None:
        self.entries.append(MetricEntry("gauge", name, value, tags))

    def value_of(self, name: str) -> float:
        """Return the value of the last metric with this name. Raises KeyError."""
        for entry in reversed(self.entries):
            if entry.name == name:
                return entry.value
        raise KeyError(name)


Renderer = Callable[..., Any]
"""`render(value, variables, *, typed)`; gets maps and lists, too."""


def _leave_unchanged(value: Any, variables: Mapping[str, Any], *, typed: bool) -> Any:
    return value


class FakeContext:
    """
    An in-memory `RunContext`. Use it as a context manager, or call `close`, to remove its folder.

    Args:
        render: what `context.render` does; texts stay unchanged when not given.
        variables: what templates see besides `flow`, `execution`, `task` and `taskrun`.
        secrets: name to value.
        config: server-level settings.
        flow, execution, taskrun, task: facts that replace parts of the defaults.
        deadline: `time.monotonic()` value at which the timeout passes.
    """

    def __init__(
        self,
        *,
        render: Renderer = _leave_unchanged,
        variables: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        flow: Mapping[str, Any] | None = None,
        execution: Mapping[str, Any] | None = None,
        taskrun: Mapping[str, Any] | None = None,
        task: Mapping[str, Any] | None = None,
        deadline: float | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="plugin-test-"))
        self.flow: Mapping[str, Any] = {
            "id": "flow",
            "namespace": "company.team",
            "revision": 1,
            "tenantId": "main",
            **(flow or {}),
        }
        start = "2031-05-04T10:00:00Z"
        self.execution: Mapping[str, Any] = {
            "id": "execution1",
            "startDate": start,
            "originalId": "execution1",
            **(execution or {}),
        }
        self.taskrun: Mapping[str, Any] = {"id": "taskrun1", "startDate": start, "attemptsCount": 0, **(taskrun or {})}
        self.task: Mapping[str, Any] = {"id": "task", "type": "test", **(task or {})}
        self.attempt = 0
        self.cancelled = Event()
        self.deadline = deadline
        self.masked: set[str] = set()
        self.log = FakeLog(self.masked)
        self.metrics = FakeMetrics()
        self.storage = FakeStorage(self.folder / "storage", self._task_prefix(), self._execution_prefix())
        self.kv = FakeKeyValues(lambda: str(self.flow["namespace"]), self.now)
        self.namespace_files = FakeNamespaceFiles(lambda: str(self.flow["namespace"]))
        self.platform = FakePlatform(self.now)
        self.labels: dict[str, str] = {}
        self.vars: dict[str, Any] = {}
        self.exit_state: str | None = None
        self.at: datetime = datetime(2031, 5, 4, 10, 0, tzinfo=UTC)
        self._render = render
        self._variables = dict(variables or {})
        self.vars.update(self._variables.pop("vars", {}))
        self._secrets = dict(secrets or {})
        self._config = dict(config or {})
        self._encrypted = itertools.count(1)

    def __enter__(self) -> FakeContext:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder with storage and working directory."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def now(self) -> datetime:
        """Return the moment that key expiry and platform calls go by; set `at` to move it."""
        return self.at

    def _execution_prefix(self) -> str:
        namespace = str(self.flow["namespace"]).replace(".", "/")
        return f"/{namespace}/{self.flow['id']}/executions/{self.execution['id']}"

    def _task_prefix(self) -> str:
        return f"{self._execution_prefix()}/tasks/{self.task['id']}/{self.taskrun['id']}"

    @property
    def workdir(self) -> Path:
        """A private directory, made on first use."""
        path = self.folder / "workdir"
        path.mkdir(exist_ok=True)
        return path

    @property
    def variables(self) -> Mapping[str, Any]:
        """The names that templates see."""
        facts = {"flow": self.flow, "execution": self.execution, "taskrun": self.taskrun, "task": self.task, "vars": self.vars}
        return {**facts, **self._variables}

    def render(self, value: Any, variables: Mapping[str, Any] | None = None, *, typed: bool = False) -> Any:
        """Render with the given renderer, with `variables` added to the usual ones."""
        return self._render(value, {**self.variables, **(variables or {})}, typed=typed)

    def secret(self, name: str) -> str:
        """Return a secret and mask it. Raises NotFoundError."""
        if name not in self._secrets:
            raise NotFoundError(f'There is no secret "{name}" for namespace "{self.flow["namespace"]}".', code="unknown-secret")
        self.mask(self._secrets[name])
        return self._secrets[name]

    def mask(self, value: str) -> None:
        """Hide a value in everything logged from now on."""
        if value:
            self.masked.add(value)

    def encrypt(self, value: str) -> dict[str, str]:
        """Return an envelope as production does; the value in it is a number, not the text."""
        return {"type": "io.kestra.datatype:aes_encrypted", "value": f"encrypted-{next(self._encrypted)}"}

    def config(self, key: str, default: Any = None) -> Any:
        """Return a server-level setting given to the constructor."""
        return self._config.get(key, default)

    def update_execution(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        variables: Mapping[str, Any] | None = None,
        unset_variables: Iterable[str] = (),
        exit_state: str | None = None,
    ) -> None:
        """Change `labels`, `vars` and `exit_state` of this context as the engine would change the execution."""
        self.labels.update(labels or {})
        _merge(self.vars, variables or {})
        for path in unset_variables:
            _unset(self.vars, path.split("."))
        self.exit_state = exit_state or self.exit_state

    def run(self, task: RunnableTask, raw: Mapping[str, Any]) -> Any:
        """Load the properties as a worker does, run the task and return its stored output, a dict, or None."""
        output = task.run(self, load_properties(task.Props, raw, self.render))
        return None if output is None else output.dump()


def _merge(target: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        present = target.get(key)
        if isinstance(present, dict) and isinstance(value, Mapping):
            _merge(present, value)
        else:
            target[key] = dict(value) if isinstance(value, Mapping) else value


def _unset(target: dict[str, Any], path: list[str]) -> None:
    for step in path[:-1]:
        found = target.get(step)
        if not isinstance(found, dict):
            return
        target = found
    target.pop(path[-1], None)
