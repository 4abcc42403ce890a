"""An action on more executions than one answer waits for, done by real workers while a client looks on."""

from __future__ import annotations

from typing import Any

from tests.acceptance.workspace import Workspace
from tests.support import eventually

COUNT = 103


def test_labels_of_very_many_executions_are_set_by_a_worker(workspace: Workspace) -> None:
    workspace.load("quick", tasks=[{"id": "say", "type": "io.kestra.plugin.core.debug.Return", "format": "done"}])
    for _ in range(COUNT):
        workspace.start("quick")
    mine = {"filters[namespace][EQUALS]": workspace.namespace}
    ended = {**mine, "filters[state][EQUALS]": "SUCCESS"}

    def count(**query: str) -> int:
        return int(workspace.call("GET", "/executions/search", size=1, **query)["total"])

    def look() -> Any:
        found = workspace.call("GET", f"/bulk-operations/{begun['operationId']}")
        assert found["state"] == "DONE", found
        return found

    eventually(lambda: count(**ended) == COUNT, within=90, every=0.5)
    begun = workspace.call("POST", "/executions/labels/by-query", [{"key": "seen", "value": "yes"}], **ended)
    operation = eventually(look, within=60, every=0.2)

    assert begun["count"] == COUNT
    assert (operation["total"], operation["done"], operation["results"]) == (COUNT, COUNT, [])
    assert count(**{**mine, "filters[labels][EQUALS][seen]": "yes"}) == COUNT
