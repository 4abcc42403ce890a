"""The `::{...}::` lines by which a script sends outputs, metrics and logs. Nothing here starts or reads processes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Duration

_MESSAGE = re.compile(r"::(\{.*\})::\s*")
_LEVELS = frozenset({"TRACE", "DEBUG", "INFO", "WARN", "ERROR"})
_KEYS = frozenset({"outputs", "encryptedOutputs", "metrics", "logs", "assets"})
_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)


class MessageError(ValueError):
    """A line has the form of a message but its content is not one; the text says what is wrong."""


class ScriptMessages:
    """
    What one script has said so far: `vars` collects its outputs, `error_line_count` the lines on standard error.

    Source: core tasks, 10.5; REST API, 12.
    """

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self.vars: dict[str, Any] = {}
        self.error_line_count = 0

    def take_line(self, line: str, *, is_error: bool) -> None:
        """Obey `line` when it is a message, log it otherwise. A broken message is dropped with a warning."""
        if is_error:
            self.error_line_count += 1
        match = _MESSAGE.fullmatch(line)
        if match is None:
            self._context.log.log("ERROR" if is_error else "INFO", line)
            return
        try:
            self._obey(_read_message(match[1]))
        except MessageError as error:
            self._context.log.warning(f"A message line of the script was dropped: {error} The line began with {line[:200]!r}.")

    def _obey(self, message: Mapping[str, Any]) -> None:
        metrics = [_read_metric(m) for m in _listed(message, "metrics")]
        entries = [_read_entry(e) for e in _listed(message, "logs")]
        self.vars.update(_mapped(message, "outputs"))
        for key, value in _mapped(message, "encryptedOutputs").items():
            text = value if isinstance(value, str) else json.dumps(value)
            self._context.mask(text)
            self.vars[key] = self._context.encrypt(text)
        for kind, name, value, tags in metrics:
            getattr(self._context.metrics, kind)(name, value, **tags)
        for level, text in entries:
            self._context.log.log(level, text)


def _read_message(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"it is not valid JSON ({error}).") from error
    if not message.keys() & _KEYS:
        raise MessageError(f"it has none of the keys {', '.join(sorted(_KEYS))}.")
    return dict(message)


def _listed(message: Mapping[str, Any], key: str) -> list[Any]:
    value = message.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise MessageError(f'"{key}" must be a list.')
    return value


def _mapped(message: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = message.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MessageError(f'"{key}" must be a map.')
    return value


def _read_metric(metric: Any) -> tuple[str, str, float, dict[str, str]]:
    """Return kind, name, value and tags. A timer may be a number of seconds or a duration text."""
    if not isinstance(metric, dict) or not isinstance(metric.get("name"), str):
        raise MessageError('a metric needs a "name".')
    name, kind, value = metric["name"], str(metric.get("type", "")).lower(), metric.get("value")
    if kind not in {"counter", "timer", "gauge"}:
        raise MessageError(f'the type of metric "{name}" must be counter, timer or gauge.')
    if kind == "timer":
        try:
            value = _DURATION.validate_python(value).total_seconds()
        except ValidationError as error:
            raise MessageError(f'the timer "{name}" needs seconds or a duration such as PT1.5S.') from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MessageError(f'the value of metric "{name}" must be a number.')
    tags = metric.get("tags") or {}
    if not isinstance(tags, dict):
        raise MessageError(f'the tags of metric "{name}" must be a map.')
    if reserved := tags.keys() & {"name", "value"}:
        raise MessageError(f'metric "{name}" has a tag "{min(reserved)}", a word that metrics use themselves; choose another.')
    return kind, name, value, {str(k): str(v) for k, v in tags.items()}


def _read_entry(entry: Any) -> tuple[str, str]:
    if not isinstance(entry, dict) or "message" not in entry:
        raise MessageError('a log entry needs a "message".')
    level = str(entry.get("level", "INFO")).upper()
    level = "WARN" if level == "WARNING" else level
    if level not in _LEVELS:
        raise MessageError(f'the log level "{level}" is not known; use TRACE, DEBUG, INFO, WARN or ERROR.')
    return level, str(entry["message"])
