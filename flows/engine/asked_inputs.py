"""The inputs that a pause or approval asks for, typed from the task's own properties. Their faults were reported at save."""

from __future__ import annotations

from typing import Any

from flows.language.declared_inputs import read_inputs
from flows.language.dump import dump_data
from flows.language.flow import Input
from flows.language.reading import Reading
from flows.language.source import read_document
from flows.plugin_api.registry import get_registry


def read_asked_inputs(declared: Any) -> tuple[Input, ...]:
    """Return inputs declared as plain data, a list of maps; empty for None."""
    if not declared:
        return ()
    reading = Reading(read_document(dump_data({"inputs": declared})), get_registry())
    return read_inputs(reading, declared, ("inputs",))
