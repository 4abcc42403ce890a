"""Families of plugin types: which icon, colour and word stand for a type in cards and thumbnails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """One family. `name` is the class of the style sheet, `icon` a symbol of icons.svg, `word` what people call it."""

    name: str
    icon: str
    word: str


_SCRIPT, _SQL, _HTTP = Family("script", "code", "Scripts"), Family("sql", "database", "SQL"), Family("http", "globe", "HTTP")
_LOOP, _BRANCH = Family("order", "loop", "Loops"), Family("order", "branch", "Branches")
_WAIT, _CALL = Family("wait", "hand", "Waiting"), Family("order", "flow", "Other flows")
_FILES, _KEYS = Family("data", "file", "Files"), Family("data", "key", "Keys and state")
_LOG, _CHECK = Family("log", "logs", "Logs and values"), Family("check", "check", "Checks")
_START, _CLOCK = Family("start", "trigger", "Triggers"), Family("start", "clock", "Schedules")
_METRIC, _OTHER = Family("check", "home", "Metrics"), Family("log", "plugin", "Other")

# The first prefix that fits decides, so longer names stand above the shorter ones that hold them.
_PREFIXES: tuple[tuple[str, Family], ...] = (
    ("io.kestra.plugin.scripts.runner.", _OTHER),
    ("io.kestra.plugin.scripts.", _SCRIPT),
    ("io.kestra.plugin.jdbc.", _SQL),
    ("io.kestra.plugin.core.http.", _HTTP),
    ("io.kestra.plugin.core.trigger.Webhook", _HTTP),
    ("io.kestra.plugin.core.trigger.BatchWebhook", _HTTP),
    ("io.kestra.plugin.core.trigger.Schedule", _CLOCK),
    ("io.kestra.plugin.core.trigger.", _START),
    ("io.kestra.plugin.core.condition.", _START),
    ("io.kestra.plugin.core.flow.ForEach", _LOOP),
    ("io.kestra.plugin.core.flow.Each", _LOOP),
    ("io.kestra.plugin.core.flow.Loop", _LOOP),
    ("io.kestra.plugin.core.flow.Pause", _WAIT),
    ("io.kestra.plugin.core.flow.Approval", _WAIT),
    ("io.kestra.plugin.core.flow.Sleep", _WAIT),
    ("io.kestra.plugin.core.flow.Subflow", _CALL),
    ("io.kestra.plugin.core.flow.Template", _CALL),
    ("io.kestra.plugin.core.flow.", _BRANCH),
    ("io.kestra.plugin.core.storage.", _FILES),
    ("io.kestra.plugin.core.namespace.", _FILES),
    ("io.kestra.plugin.core.kv.", _KEYS),
    ("io.kestra.plugin.core.state.", _KEYS),
    ("io.kestra.plugin.core.metric.", _METRIC),
    ("io.kestra.plugin.core.dashboard.", _METRIC),
    ("io.kestra.plugin.core.execution.", _CHECK),
    ("io.kestra.plugin.core.", _LOG),
)


def family_of(name: str) -> Family:
    """Return the family of a type by its full name."""
    return next((family for prefix, family in _PREFIXES if name.startswith(prefix)), _OTHER)


def list_families(names: Iterable[str], *, most: int) -> list[Family]:
    """Return the families of several types, each once, at most so many; plain logs come last because everybody has them."""
    found = dict.fromkeys(family_of(name) for name in names)
    return sorted(found, key=lambda family: family.name == "log")[:most]
