"""The documentation inside the console: every page opens, links stay inside, nothing outside of its folder is read."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from flows.models import Flow
from flows.ui.views.documentation import list_documents, read_document

pytestmark = pytest.mark.django_db


def test_every_page_opens_with_its_title_and_without_pictures(alice: Client, flow: Flow) -> None:
    names = [name for name, _ in list_documents()]

    assert {"language/triggers", "language/first-flow", "console"} <= set(names)
    assert not [name for name in names if name.startswith("decisions") or "tasks/" in name or name == "status"]
    for name in names:
        assert read_document(name).title and "<img" not in read_document(name).html
    assert alice.get("/ui/docs/language/triggers").status_code == 200


def test_links_between_pages_lead_to_pages() -> None:
    known = {name for name, _ in list_documents()}
    for name in known:
        for target in re.findall(r'href="/ui/docs/([^"#]*)', read_document(name).html):
            assert target in known, (name, target)


def test_a_heading_can_be_linked_to() -> None:
    assert 'id="dashboards"' in read_document("console").html


@pytest.mark.parametrize("name", ["nothing", "../README", "language/../../README", "decisions/0012-console", "language/build"])
def test_what_is_no_page_is_not_found(alice: Client, flow: Flow, name: str) -> None:
    assert alice.get(f"/ui/docs/{name}").status_code == 404
