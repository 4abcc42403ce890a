"""Flows from an archive: what would happen is shown first, and a file with faults keeps no other from being stored."""

from __future__ import annotations

import io
import zipfile

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import Watched
from tests.e2e.seeding import API, find_credentials
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

GOOD = "id: brought\nnamespace: e2e.import\ntasks:\n  - {id: a, type: io.kestra.plugin.core.log.Log, message: x}\n"


def _pack() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("good.yaml", GOOD)
        archive.writestr("bad.yaml", GOOD.replace("brought", "broken").replace("message: x", "massage: x"))
    return packed.getvalue()


def _is_stored(system: SystemProcess, flow_id: str) -> bool:
    return system.call("GET", f"{API}/flows/e2e.import/{flow_id}", None, find_credentials(system))[0] == 200


def test_an_archive_with_one_invalid_file_is_shown_before_the_others_are_stored(
    console: Watched, running_system: SystemProcess
) -> None:
    page = console.page
    console.open("flows/import")
    page.set_input_files("input[type=file]", {"name": "flows.zip", "mimeType": "application/zip", "buffer": _pack()})
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.locator("section.card", has_text="good.yaml").locator(".badge")).to_have_text("create")
    invalid = page.locator("section.card", has_text="bad.yaml")
    expect(invalid.locator(".badge")).to_have_text("invalid")
    expect(invalid).to_contain_text("massage")
    expect(invalid.locator("input[type=checkbox]")).to_have_count(0)
    assert not _is_stored(running_system, "brought")
    page.get_by_role("button", name="Store the ticked ones").click()

    eventually(lambda: _is_stored(running_system, "brought"))
    assert not _is_stored(running_system, "broken")
