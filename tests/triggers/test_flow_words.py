"""What Flow triggers wait for, in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flows.language.flow import Trigger
from flows.triggers.flow_entries import read_flow_trigger
from flows.triggers.flow_words import say_flow_trigger, say_length

CONDITION = "io.kestra.plugin.core.condition."
LOAD = {"namespace": "acme", "flowId": "load", "states": ["SUCCESS"]}
CLEAN = {"namespace": "acme", "flowId": "clean"}
ANY_OF_X = {"namespace": "x"}
BEGINS_WITH_A = {"field": "NAMESPACE", "type": "STARTS_WITH", "value": "a"}


def say(*, when: str | None = None, conditions: tuple[dict[str, Any], ...] = (), **properties: Any) -> str:
    trigger = Trigger("t", "Flow", "flow", properties=properties, when=when, conditions=conditions)
    return say_flow_trigger(read_flow_trigger(trigger))


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({}, "after every execution of other flows"),
        ({"states": ["FAILED"]}, "after every execution of other flows (FAILED)"),
        ({"when": "{{ state == 'X' }}"}, "after every execution of other flows, if {{ state == 'X' }}"),
        ({"dependsOn": [LOAD]}, "after acme.load with SUCCESS"),
        ({"dependsOn": [LOAD, CLEAN]}, "after acme.load with SUCCESS and acme.clean, within the same day"),
        ({"dependsOn": [LOAD, CLEAN], "mode": "ANY"}, "after acme.load with SUCCESS or acme.clean, within the same day"),
        (
            {"dependsOn": [CLEAN, LOAD, ANY_OF_X], "mode": "AT_LEAST", "minSatisfied": 2, "window": {"lookback": "PT90M"}},
            "after at least 2 of acme.clean, acme.load with SUCCESS and any flow of x, "
            "within 1 hour and 30 minutes of one another",
        ),
        (
            {"dependsOn": [CLEAN], "window": {"deadline": "09:00", "timezone": "Europe/Paris"}},
            "after acme.clean, before 09:00 Europe/Paris of the same day",
        ),
        (
            {"dependsOn": [CLEAN], "window": {"from": "08:00", "to": "10:30"}},
            "after acme.clean, between 08:00 and 10:30 UTC",
        ),
        (
            {"dependsOn": [{"flowId": "load", "labels": {"team": "data"}, "when": "{{ outputs.n > 1 }}"}]},
            "after any flow called load labelled team: data if {{ outputs.n > 1 }}",
        ),
        (
            {"preconditions": {"id": "p", "where": [{"id": "w", "filters": [BEGINS_WITH_A]}]}},
            "after the namespace begins with a",
        ),
        (
            {
                "conditions": (
                    {"type": CONDITION + "ExecutionNamespace", "namespace": "acme", "comparison": "PREFIX"},
                    {"type": CONDITION + "ExecutionStatus", "in": ["FAILED", "WARNING"]},
                )
            },
            "after any flow below acme; a state of FAILED or WARNING",
        ),
    ],
)  # fmt: skip
def test_a_flow_trigger_is_told_in_words(properties: dict[str, Any], words: str) -> None:
    assert say(**properties) == words


def test_lengths_are_told_in_their_largest_units() -> None:
    assert [say_length(timedelta(seconds=count)) for count in (1, 60, 86400, 93600)] == [
        "1 second",
        "1 minute",
        "1 day",
        "1 day and 2 hours",
    ]
