"""How the editor is laid out: panels in two columns, as the account remembers them and as the address asks for them."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from flows.models import Flow
from flows.ui.editing.panels import AS_DELIVERED, PANELS, arrange, is_arrangement
from tests.ui.conftest import FLOW_ID, NAMESPACE

PAGE = f"/ui/flows/edit/{NAMESPACE}/{FLOW_ID}/edit"


def names_of(text: str, *wanted: str) -> list[list[str]]:
    """Return the panels of both columns, the shown ones with a star."""
    columns = arrange(text, wanted)
    return [[one.name + "*" * one.is_shown for one in column.panels if not one.is_passing] for column in columns]


def test_code_stands_left_and_all_else_right_as_the_editor_comes() -> None:
    left, right = names_of("")

    assert is_arrangement(AS_DELIVERED)
    assert left == ["code*"]
    assert right == ["topology*", "docs", "inputs", "playground", "files", "blueprints"]


def test_panels_stand_where_somebody_put_them_in_the_order_of_all() -> None:
    left, right = names_of("files.code~files.docs")

    assert left == ["code", "files*"]
    assert right == ["topology", "docs*", "inputs", "playground", "blueprints"]


def test_the_address_is_stronger_than_what_was_shown_last() -> None:
    left, right = names_of("code.files~files.docs", "inputs", "code")

    assert (left, "inputs*" in right, "docs" in right) == (["code*", "files"], True, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "code",
        "~code",
        "code~nothing",
        "code.code~code",
        ".".join(PANELS) + "~code",
        "form~form",
        "code~code.docs.files",
        "<b>~code",
    ],
)
def test_what_is_no_arrangement_leaves_the_editor_as_it_comes(text: str) -> None:
    assert not is_arrangement(text)
    assert names_of(text) == names_of(AS_DELIVERED)


def test_each_panel_stands_in_one_column_whatever_is_chosen() -> None:
    for text in ("code~code.docs", "topology.docs~docs", ".".join(list(PANELS)[1:]) + "~files"):
        left, right = names_of(text)

        assert sorted(name.rstrip("*") for name in left + right) == sorted(PANELS)
        assert ["*" in "".join(names) for names in (left, right)] == [True, True]


def test_the_account_keeps_columns_and_width(alice: Client, flow: Flow) -> None:
    for name, value in (("editor-columns", "code.files~files.docs"), ("editor-split", "35")):
        assert alice.post("/ui/settings", {"name": name, "value": value}).status_code == 204

    page = alice.get(PAGE).content.decode()

    left, right = page.split('data-column="right"')
    assert 'id="panel-files"' in left and 'id="panel-docs"' in right
    assert re.search(r'id="tab-files"[^>]*aria-selected="true"', left)
    assert re.search(r'id="tab-docs"[^>]*aria-selected="true"', right)
    assert 'max="80" value="35"' in left


@pytest.mark.parametrize(("name", "value"), [("editor-columns", "code~<b>"), ("editor-split", "5"), ("editor-split", "1e1")])
def test_what_is_no_layout_is_not_kept(alice: Client, flow: Flow, name: str, value: str) -> None:
    assert alice.post("/ui/settings", {"name": name, "value": value}).status_code == 422


def test_the_address_shows_a_panel_from_the_first_paint(alice: Client, flow: Flow) -> None:
    page = alice.get(f"{PAGE}?panel=docs").content.decode()

    assert re.search(r'id="tab-docs"[^>]*aria-selected="true"', page)
    assert re.search(r'id="panel-topology"[^>]*hidden', page)


def test_every_tab_names_its_panel_and_every_panel_its_tab(alice: Client, flow: Flow) -> None:
    page = alice.get(PAGE).content.decode()

    for name in (*PANELS, "form", "difference"):
        assert f'aria-controls="panel-{name}"' in page
        assert page.count(f'id="panel-{name}"') == page.count(f'aria-labelledby="tab-{name}"') == 1
