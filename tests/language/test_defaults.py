"""Plugin defaults: which apply, which value wins, and how lists and mappings merge."""

from __future__ import annotations

from typing import Any

import pytest

from flows.language.defaults import apply_defaults
from flows.language.flow import PluginDefault
from flows.plugin_api.registry import Registry

LOG = "io.kestra.plugin.core.log.Log"


def default(type_name: str, forced: bool = False, ref: str | None = None, **values: Any) -> PluginDefault:
    return PluginDefault(type_name, values, forced, ref)


@pytest.mark.parametrize(
    ("type_name", "applies"),
    [
        (LOG, True),
        ("io.kestra.plugin.core", True),
        ("io.kestra.plugin.core.log.Lo", True),
        ("io.kestra.core.tasks.log.Log", True),
        ("io.kestra.plugin.scripts", False),
        (f"{LOG}ger", False),
    ],
)
@pytest.mark.parametrize("written", [LOG, "io.kestra.core.tasks.log.Log"])
def test_a_default_applies_by_type_prefix_and_old_name(type_name: str, applies: bool, written: str, registry: Registry) -> None:
    found = apply_defaults({"type": written}, [default(type_name, level="WARN")], registry)

    assert applies == ("level" in found)


def test_what_the_task_says_wins_and_null_does_not_erase(registry: Registry) -> None:
    task = {"type": LOG, "level": "INFO", "message": None}

    found = apply_defaults(task, [default(LOG, level="WARN", message="m")], registry)

    assert found == {"type": LOG, "level": "INFO", "message": "m"}


def test_mappings_merge_and_lists_are_joined(registry: Registry) -> None:
    task = {"type": LOG, "env": {"a": 1, "b": 1}, "commands": ["mine"]}

    found = apply_defaults(task, [default(LOG, env={"b": 2, "c": 2}, commands=["first"])], registry)

    assert found == {"type": LOG, "env": {"a": 1, "b": 1, "c": 2}, "commands": ["first", "mine"]}


def test_the_more_important_source_wins(registry: Registry) -> None:
    found = apply_defaults({"type": LOG}, [default(LOG, level="flow"), default(LOG, level="namespace", message="m")], registry)

    assert found == {"type": LOG, "level": "flow", "message": "m"}


def test_forced_defaults_win_and_the_least_important_last(registry: Registry) -> None:
    sources = [default(LOG, forced=True, level="namespace"), default(LOG, forced=True, level="server"), default(LOG, level="x")]

    assert apply_defaults({"type": LOG, "level": "task"}, sources, registry)["level"] == "server"


def test_a_default_with_a_name_applies_to_those_that_ask_for_it(registry: Registry) -> None:
    named = [default(LOG, ref="loud", level="WARN")]

    assert "level" not in apply_defaults({"type": LOG}, named, registry)
    assert apply_defaults({"type": LOG, "pluginDefaultsRef": ["loud"]}, named, registry)["level"] == "WARN"


def test_defaults_reach_every_depth_but_not_themselves(registry: Registry) -> None:
    data = {"tasks": [{"type": "x", "tasks": [{"type": LOG}]}], "pluginDefaults": [{"type": LOG, "values": {}}]}

    found = apply_defaults(data, [default(LOG, level="WARN")], registry)

    assert found["tasks"][0]["tasks"][0] == {"type": LOG, "level": "WARN"}
    assert data["pluginDefaults"] is found["pluginDefaults"]


def test_data_to_which_nothing_applies_is_the_same_object(registry: Registry) -> None:
    data = {"tasks": [{"type": LOG}]}

    assert data is apply_defaults(data, [default("other", a=1)], registry)
    assert data == {"tasks": [{"type": LOG}]}
