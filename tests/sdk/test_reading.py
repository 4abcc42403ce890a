"""The watch over the client: it must see what it is there for."""

from __future__ import annotations

import pytest
from kestrapy.base_api import BaseApi
from kestrapy.models.flow_for_execution import FlowForExecution
from kestrapy.models.log_entry import LogEntry
from kestrapy.models.state import State

from tests.sdk.reading import find_fault, note_guesses

MOMENT = "2031-05-04T00:00:00Z"
STATE = {
    "current": "CREATED",
    "histories": [{"state": "CREATED", "date": MOMENT}],
    "getDuration": "PT0S",
    "getStartDate": MOMENT,
    "getEndDate": MOMENT,
}
FLOW = {
    "id": "daily",
    "namespace": "company.team",
    "disabled": False,
    "draft": False,
    "deleted": False,
    "tasks": [{"id": "say", "type": "io.kestra.plugin.core.log.Log"}],
}


def test_a_guess_of_the_client_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = note_guesses(monkeypatch)
    good = BaseApi._deserialize(STATE, State)
    guessed = BaseApi._deserialize({**STATE, "current": "ASLEEP"}, State)

    assert (good.get_duration, guessed.get_duration) == ("PT0S", "PT0S")
    assert len(found) == 1 and found[0].startswith("State: ") and "current" in found[0]


def test_only_the_contradiction_itself_is_forgiven() -> None:
    assert find_fault({**FLOW, "labels": [{"key": "a", "value": "b"}]}, FlowForExecution) == ""
    assert "tasks" in find_fault({**FLOW, "labels": [], "tasks": []}, FlowForExecution)
    assert find_fault({}, LogEntry) == ""
    assert "namespace" in find_fault({"flowId": "daily"}, LogEntry)
