"""Every blueprint is without fault, explains itself, and says what it needs."""

from __future__ import annotations

import re

import pytest

from flows.language.dashboards import parse_dashboard
from flows.language.parse import parse_flow
from flows.plugin_api.registry import get_registry
from flows.queries.blueprints import TAG_NAMES, BlueprintEntry, get_any_blueprint, list_blueprints, list_starters

FLOWS = list_blueprints()
EVERYTHING = [*FLOWS, *list_blueprints(kind="dashboard")]
KINDS_OF_NEEDS = {"secret", "account", "network", "package", "program", "flow"}

each_flow = pytest.mark.parametrize("entry", FLOWS, ids=lambda entry: entry.id)
each_one = pytest.mark.parametrize("entry", EVERYTHING, ids=lambda entry: entry.id)


def test_there_are_blueprints_for_every_tag() -> None:
    used = {tag for entry in FLOWS for tag in entry.tags}

    assert len(FLOWS) >= 45
    assert used == set(TAG_NAMES)


def test_five_blueprints_are_offered_to_beginners() -> None:
    starters = list_starters()

    assert [entry.starter for entry in starters] == [1, 2, 3, 4, 5]


@each_flow
def test_a_blueprint_is_a_flow_without_any_problem(entry: BlueprintEntry) -> None:
    result = parse_flow(entry.source, get_registry())

    assert [str(problem) for problem in result.problems] == []
    assert result.flow is not None and (result.flow.id, result.flow.namespace) == (entry.id, "company.team")
    assert result.flow.description


@each_flow
def test_a_blueprint_names_registered_types_only(entry: BlueprintEntry) -> None:
    registry = get_registry()

    assert [name for name in entry.task_types if registry.get(name).type != name] == []


def test_dashboards_are_without_fault() -> None:
    for entry in list_blueprints(kind="dashboard"):
        dashboard, problems = parse_dashboard(entry.source)

        assert dashboard is not None and problems == []


@each_one
def test_a_blueprint_explains_itself(entry: BlueprintEntry) -> None:
    assert 10 <= len(entry.title) <= 60
    assert len(entry.description) > 100 and len(entry.summary) > 60
    assert entry.tags and set(entry.tags) <= set(TAG_NAMES)
    assert {need.kind for need in entry.needs} <= KINDS_OF_NEEDS


@each_flow
def test_a_blueprint_says_which_secrets_and_flows_it_needs(entry: BlueprintEntry) -> None:
    code = "\n".join(line for line in entry.source.splitlines() if not line.strip().startswith("#"))
    secrets = set(re.findall(r"secret\('(\w+)'\)", code))
    called = set(re.findall(r"flowId: (\w+)", code)) & {one.id for one in FLOWS}

    assert {need.text for need in entry.needs if need.kind == "secret"} == secrets
    assert called <= {need.text for need in entry.needs if need.kind == "flow"}
    assert all(get_any_blueprint(need.text) for need in entry.needs if need.kind == "flow")
