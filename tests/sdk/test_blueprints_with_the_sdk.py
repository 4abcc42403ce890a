"""Blueprints through the official client: the product's own, and those that people save, with blanks to fill."""

from __future__ import annotations

import pytest
from kestrapy import KestraClient
from kestrapy.exceptions import NotFoundException
from kestrapy.models.blueprint_controller_api_blueprint_item_with_source import BlueprintControllerApiBlueprintItemWithSource
from kestrapy.models.blueprint_controller_flow_blueprint_create_or_update import BlueprintControllerFlowBlueprintCreateOrUpdate
from kestrapy.models.blueprint_controller_kind import BlueprintControllerKind
from kestrapy.models.blueprint_controller_use_blueprint_template_request import BlueprintControllerUseBlueprintTemplateRequest
from kestrapy.models.query_filter_field import QueryFilterField
from kestrapy.query import eq, where

from tests.sdk.conftest import TENANT

SOURCE = """\
id: greeting
namespace: company.team
tasks:
  - {id: hello, type: io.kestra.plugin.core.log.Log, message: Hello}
"""
TEMPLATE = """\
extend:
  templateArguments:
    - {id: who, type: STRING}
id: greeting
namespace: company.team
tasks:
  - {id: hello, type: io.kestra.plugin.core.log.Log, message: "Hello << arg.who >>, {{ execution.id }}"}
"""


def test_blueprints_of_the_product_are_found_and_read(client: KestraClient) -> None:
    blueprints, kind = client.blueprints, BlueprintControllerKind.FLOW
    page = blueprints.search_blueprints(kind, TENANT, sort="title:asc", page=1, size=3)
    first = page.results[0]
    found = blueprints.search_blueprints(kind, TENANT, filters=where(eq(QueryFilterField.QUERY, first.title)))
    read = blueprints.blueprint(first.id, kind, TENANT)
    source = blueprints.blueprint_source(first.id, kind, TENANT)
    boards = blueprints.search_blueprints(BlueprintControllerKind.DASHBOARD, TENANT)

    assert len(page.results) == 3 and page.total > 20 and boards.total >= 0
    assert [item.title for item in page.results] == sorted(item.title for item in page.results)
    assert first.id in [item.id for item in found.results]
    assert (read.id, read.title, read.source) == (first.id, first.title, source)
    assert "tasks:" in source and first.included_tasks and first.published_at
    assert blueprints.blueprint_graph(first.id, kind, TENANT)["nodes"]
    with pytest.raises(NotFoundException):
        blueprints.blueprint("none-of-that-name", kind, TENANT)


def test_a_blueprint_with_blanks_is_kept_and_filled(client: KestraClient) -> None:
    blueprints = client.blueprints
    made = blueprints.create_flow_blueprint(
        TENANT,
        BlueprintControllerFlowBlueprintCreateOrUpdate(title="Greeting", source=SOURCE, description="Says hello", tags=["sdk"]),
    )
    changed = blueprints.update_flow_blueprint(
        made.id, TENANT, BlueprintControllerFlowBlueprintCreateOrUpdate(title="Greeting for one", source=TEMPLATE, tags=["sdk"])
    )
    read = blueprints.flow_blueprint_by_id(made.id, TENANT)
    old_path = blueprints.flow_blueprint(made.id, TENANT)
    filled = blueprints.use_blueprint_template(
        made.id, TENANT, BlueprintControllerUseBlueprintTemplateRequest(templateArgumentsInputs={"who": {"value": "Ann"}})
    )
    blueprints.delete_flow_blueprints(made.id, TENANT)

    assert (made.title, made.included_tasks, made.tags) == ("Greeting", ["io.kestra.plugin.core.log.Log"], ["sdk"])
    assert (changed.id, read.title, old_path.source) == (made.id, "Greeting for one", TEMPLATE)
    assert "who" in read.template.template_arguments
    assert "Hello" in filled.generated_flow_source and "extend:" not in filled.generated_flow_source
    with pytest.raises(NotFoundException):
        blueprints.flow_blueprint_by_id(made.id, TENANT)


def test_an_own_blueprint_is_kept_found_and_deleted(client: KestraClient) -> None:
    blueprints = client.blueprints
    item = BlueprintControllerApiBlueprintItemWithSource(title="Kept for later", source=SOURCE, tags=["later"])
    made = blueprints.create_internal_blueprints(TENANT, item)
    changed = blueprints.update_internal_blueprints(
        made.id, TENANT, BlueprintControllerApiBlueprintItemWithSource(title="Kept for good", source=SOURCE)
    )
    read = blueprints.internal_blueprint(made.id, TENANT)
    found = blueprints.search_internal_blueprints(
        TENANT, sort="title:asc", page=1, size=5, source=False, filters=where(eq(QueryFilterField.QUERY, "kept for good"))
    )
    text = blueprints.internal_blueprint_flow(made.id, TENANT)
    blueprints.delete_internal_blueprints(made.id, TENANT)

    assert (made.title, changed.title, changed.flow, read.id) == ("Kept for later", "Kept for good", SOURCE, made.id)
    assert ([one.id for one in found.results], found.total, text) == ([made.id], 1, SOURCE)
    with pytest.raises(NotFoundException):
        blueprints.internal_blueprint(made.id, TENANT)
