"""The pages of plugins: each type has one, with what it takes, gives and records; and every example on them is a valid flow."""

from __future__ import annotations

import pytest
from django.test import Client

from flows.operations.flow_checks import check_document
from flows.plugin_api.registry import PluginEntry, load_registry
from flows.queries.plugin_pages import write_documentation
from flows.ui.views.plugins import list_properties
from tests.shape.test_manifests import PACKAGES

ENTRIES = list(load_registry(PACKAGES).list_entries())
EXAMPLES = [(entry, number) for entry in ENTRIES for number in range(len(entry.examples))]

pytestmark = pytest.mark.django_db


def _name(value: object) -> str:
    return value.type if isinstance(value, PluginEntry) else str(value)


def test_every_type_has_a_page_with_its_properties_and_metrics(alice: Client) -> None:
    lacking = []
    for entry in ENTRIES:
        page = alice.get(f"/ui/plugins/{entry.type}")
        text = page.content.decode()
        wanted = [f'id="p-{row["name"]}"' for row in list_properties(entry.schema)]
        wanted += [f'id="o-{row["name"]}"' for row in list_properties(entry.outputs)]
        wanted += [f"<b>{metric['name']}</b>" for metric in entry.metrics]
        if page.status_code != 200 or not all(mark in text for mark in wanted):
            lacking.append(entry.type)

    assert lacking == []


@pytest.mark.parametrize(("entry", "number"), EXAMPLES, ids=_name)
def test_every_example_is_a_valid_flow(entry: PluginEntry, number: int) -> None:
    check = check_document(entry.examples[number])

    assert [str(problem) for problem in check.problems] == []


def test_metrics_stand_in_the_documentation_that_programs_read() -> None:
    entry = next(entry for entry in ENTRIES if entry.type.endswith("core.http.Request"))

    assert "- `response.length` (counter, bytes): " in write_documentation(entry)


def test_a_search_finds_a_type_by_a_property_within_another_one(alice: Client) -> None:
    page = alice.get("/ui/plugins", {"q": "followredirects"}).content.decode()

    assert '#p-options">options.followRedirects</a>' in page
