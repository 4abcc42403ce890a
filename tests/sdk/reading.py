"""How the client reads answers: every strict reader that refuses one is noted, before the client quietly guesses instead."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

with warnings.catch_warnings():
    # What the clients themselves do at import is theirs.
    warnings.simplefilter("ignore")
    from kestrapy.base_api import BaseApi


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What no answer can satisfy: these fields are left aside when the rest is checked; an `empty` object is allowed, too."""

    reason: str
    fields: Mapping[str, Any] | None = None
    empty: bool = False


UNREADABLE = {
    "FlowForExecution": Unreadable("wants labels as a map, while the flow itself wants a list (10.2)", {"labels": None}),
    "PagedResultsMapStringObject": Unreadable("wants maps as the cells of a chart's rows (10.2)", {"results": []}),
    "LogEntry": Unreadable("a stream opens with an empty object (7)", empty=True),
}
"""All models that may be read leniently, frozen: whatever else needs guessing is our fault. Source: REST API, 7 and 10.2."""


UNKNOWN_INPUT_TYPES = frozenset({"OBJECT", "TABLE"})
"""Types of inputs that the language has and the client's closed list lacks. Source: flow language, 3.2."""


def note_guesses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Watch the client until the test ends; the list grows by the name and the complaint of each model that refuses an answer."""
    found: list[str] = []
    read = BaseApi._deserialize

    def watch(data: Any, model: Any) -> Any:
        if isinstance(data, dict | list) and hasattr(model, "model_fields") and (fault := find_fault(data, model)):
            found.append(f"{model.__name__}: {fault}")
        return read(data, model)

    monkeypatch.setattr(BaseApi, "_deserialize", staticmethod(watch))
    return found


def find_fault(data: Any, model: Any) -> str:
    """Return why the strict reader of a model refuses an answer, empty when it takes it or cannot take any."""
    allowed = UNREADABLE.get(model.__name__)
    if isinstance(data, dict) and allowed is not None:
        if not data and allowed.empty:
            return ""
        data = {**data, **(allowed.fields or {})}
    if isinstance(data, dict) and isinstance(data.get("inputs"), list):
        known = [one for one in data["inputs"] if not isinstance(one, dict) or one.get("type") not in UNKNOWN_INPUT_TYPES]
        data = {**data, "inputs": known}
    try:
        model.from_dict(data) if hasattr(model, "from_dict") else model.model_validate(data)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        return str(error)[:1000]
    return ""
