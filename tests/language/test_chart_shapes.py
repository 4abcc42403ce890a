"""What the editor of dashboards offers is what a dashboard may hold."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from flows.language.chart_shapes import ANY_KEY, Shape, describe_dashboard, list_chart_options, list_fields
from flows.language.dashboards import CHART_KINDS, CHART_PREFIX, parse_dashboard


def fill(shape: Shape, names: list[str]) -> dict[str, Any]:
    """Return a mapping with these keys of a shape, each with a value that has the right form."""
    return {name: make_value(shape.inside[name]) for name in names}


def make_value(shape: Shape) -> Any:
    """Return some value of a shape."""
    if shape.inside:
        inside = {"x" if name == ANY_KEY else name: make_value(one) for name, one in shape.inside.items()}
        return [inside] if shape.type == "list" else inside
    return shape.choices[0] if shape.choices else 1 if shape.type == "number" else "P1D" if shape.type == "duration" else "text"


@pytest.mark.parametrize("kind", CHART_KINDS)
def test_every_key_that_is_offered_is_known(kind: str) -> None:
    shape = describe_dashboard()
    chart = shape.inside["charts"]
    wanted = ("content", "source") if kind == "Markdown" else ("data",)
    made = fill(chart, ["id", *wanted])
    options = fill(chart.inside["chartOptions"], ["displayName", "description", "width", *list_chart_options()[kind]])
    document = {
        **fill(shape, ["id", "title", "description", "timeWindow"]),
        "charts": [{**made, "type": CHART_PREFIX + kind, "chartOptions": options}],
    }

    _, problems = parse_dashboard(yaml.safe_dump(document))

    assert [problem.message for problem in problems if problem.code == "unknown-key"] == []


def test_every_source_has_its_fields() -> None:
    sources = describe_dashboard().inside["charts"].inside["data"].inside["type"].choices

    assert {source.rpartition(".")[2] for source in sources} == set(list_fields())


def test_what_is_empty_at_the_end_is_not_sent() -> None:
    assert Shape("text", "Words.").to_json() == ["text", "Words."]
    assert Shape("text", "Words.", required=True).to_json() == ["text", "Words.", 1]
