"""Rendered expressions and the recount of slots."""

from __future__ import annotations

from typing import Any

from flows.models import Flow
from tests.api.conftest import SOURCE, Api, MakeExecution


def test_several_expressions_are_rendered_in_an_execution(api: Api, daily: dict[str, Any], make_execution: MakeExecution) -> None:
    execution = make_execution(inputs={"day": "monday"})
    body = {"executionId": execution.id, "expressions": ["{{ inputs.day | upper }}", "{{ nope.nope }}", "plain"]}
    answer = api.send("POST", "/expressions/render", body).json()

    assert answer == {"rendered": {"{{ inputs.day | upper }}": "MONDAY", "{{ nope.nope }}": "{{ nope.nope }}", "plain": "plain"}}
    assert api.send("POST", "/expressions/render", {"expressions": "x"}).status_code == 422
    assert api.send("POST", "/expressions/render", {"expressions": []}).status_code == 422


def test_a_wrong_count_of_slots_is_put_right(api: Api, daily: dict[str, Any], make_execution: MakeExecution) -> None:
    limited = SOURCE.replace("tasks:", "concurrency: {limit: 2, behavior: QUEUE}\ntasks:")
    unlimited = api.send("PUT", "/concurrency-limit/company.team/daily", {"running": 0}).status_code
    api.send_yaml("PUT", "/flows/company.team/daily", limited)
    make_execution("RUNNING", slot_held=True)
    Flow.objects.update(running_count=2)
    answer = api.send("PUT", "/concurrency-limit/company.team/daily", {"running": 0}).json()

    assert unlimited == 409
    assert answer == {"tenantId": "main", "namespace": "company.team", "flowId": "daily", "running": 1, "limit": 2}
    assert api.send("PUT", "/concurrency-limit/company.team/nope", {}).status_code == 404
