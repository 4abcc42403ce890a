"""What a Python script imports to talk to the platform: outputs, metrics, logs, row files and the execution context."""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kestra.ion import read_value

__all__ = ["ExecutionContext", "Kestra", "context", "load_execution_context"]

_CONTEXT_FILE = ".kestra-execution-context.json"


def _send(message: Mapping[str, Any], *, to_error: bool = False) -> None:
    """Print one message line and flush it, so that it arrives in the order in which it was sent."""
    print(f"::{json.dumps(message, default=str)}::", file=sys.stderr if to_error else sys.stdout, flush=True)


class Kestra:
    """Sends outputs, metrics and logs of the running script. All methods are static."""

    @staticmethod
    def outputs(map_: Mapping[str, Any] | None) -> None:
        """Add values to the outputs of the task; a later value of a key replaces an earlier one."""
        _send({"outputs": dict(map_ or {})})

    @staticmethod
    def counter(name: str, value: float, tags: Mapping[str, str] | None = None) -> None:
        """Send a counter."""
        _send_metric(name, "counter", value, tags)

    @staticmethod
    def timer(name: str, duration: float | Callable[[], Any], tags: Mapping[str, str] | None = None) -> Any:
        """Send a timer in seconds. A function given instead is called and timed, and its result is returned."""
        if not callable(duration):
            _send_metric(name, "timer", duration, tags)
            return None
        began_at = time.monotonic()
        try:
            return duration()
        finally:
            _send_metric(name, "timer", time.monotonic() - began_at, tags)

    @staticmethod
    def gauge(name: str, value: float, tags: Mapping[str, str] | None = None) -> None:
        """Send a gauge."""
        _send_metric(name, "gauge", value, tags)

    @staticmethod
    def logger() -> logging.Logger:
        """Return a logger whose entries keep their level in the log of the execution."""
        logger = logging.getLogger("Kestra")
        if not logger.handlers:
            logger.addHandler(_MessageHandler())
            logger.setLevel(logging.DEBUG)
            logger.propagate = False
        return logger

    @staticmethod
    def read(path: str) -> list[Any]:
        """
        Return the values of a row file, one per line. Text that is a timestamp of a row file becomes a datetime.

        Raises:
            ValueError: a line is no value; the message names it.
        """
        rows = []
        with Path(path).open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    rows.append(_read_row(line, path, number))
        return rows


def _send_metric(name: str, kind: str, value: float, tags: Mapping[str, str] | None) -> None:
    _send({"metrics": [{"name": name, "type": kind, "value": value, "tags": dict(tags or {})}]})


class _MessageHandler(logging.Handler):
    _LEVELS = ((logging.ERROR, "ERROR"), (logging.WARNING, "WARN"), (logging.INFO, "INFO"), (logging.DEBUG, "DEBUG"))

    def emit(self, record: logging.LogRecord) -> None:
        level = next((word for number, word in self._LEVELS if record.levelno >= number), "TRACE")
        _send({"logs": [{"level": level, "message": self.format(record)}]}, to_error=record.levelno >= logging.WARNING)


def _read_row(line: str, path: str, number: int) -> Any:
    try:
        return read_value(line)
    except ValueError as error:
        raise ValueError(f"Line {number} of {path} is no value of a row file: {error}") from error


class ExecutionContext(Mapping[str, Any]):
    """The variables of the execution, read-only. Keys are attributes too, at any depth."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, key: str) -> Any:
        return _wrap(self._values[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, ExecutionContext) else other)

    __hash__ = None  # type: ignore[assignment]  # Python's way to say no

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_values":
            raise AttributeError(name)
        if name not in self._values:
            known = ", ".join(sorted(map(str, self._values))) or "nothing"
            raise AttributeError(f"'{name}' is not available in this execution context. Available: {known}")
        return self[name]

    def __repr__(self) -> str:
        return f"ExecutionContext({self._values!r})"

    def to_dict(self) -> Mapping[str, Any]:
        """Return the values as they were read."""
        return self._values


def _wrap(value: Any) -> Any:
    if isinstance(value, dict):
        return ExecutionContext(value)
    return [_wrap(item) for item in value] if isinstance(value, list) else value


def load_execution_context(path: str | None = None) -> ExecutionContext:
    """
    Return the variables of the execution from `path`, from the file that the task wrote, or from `KESTRA_CONTEXT` (base64).

    Raises:
        FileNotFoundError: there is none; the task needs `executionContext: true`.
    """
    file = Path(path or os.environ.get("KESTRA_EXECUTION_CONTEXT_FILE") or _CONTEXT_FILE)
    if file.exists():
        return ExecutionContext(json.loads(file.read_text(encoding="utf-8")))
    if path is None and (encoded := os.environ.get("KESTRA_CONTEXT")):
        return ExecutionContext(json.loads(base64.b64decode(encoded)))
    raise FileNotFoundError(f"No Kestra execution context found at {file}. Set executionContext: true on the task.")


def __getattr__(name: str) -> Any:
    """Load `context` at its first use, so that a script which needs none runs anywhere."""
    if name != "context":
        raise AttributeError(f"module 'kestra' has no attribute '{name}'")
    loaded = load_execution_context()
    globals()["context"] = loaded
    return loaded
