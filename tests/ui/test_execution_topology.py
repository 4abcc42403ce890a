"""The picture of an execution: kept once it has ended, for as long as nothing of it moves."""

from __future__ import annotations

from django.test import Client

from flows.models import Flow, TaskRun
from tests.ui.conftest import FLOW_ID, NAMESPACE, save_execution, save_task_run


def test_the_picture_of_an_ended_execution_follows_its_restart_and_its_folds(alice: Client, flow: Flow) -> None:
    execution = save_execution()
    each = save_task_run(execution, "each")
    address = f"/ui/executions/{NAMESPACE}/{FLOW_ID}/{execution.id}/topology"
    first = str(alice.get(address).context["picture"])
    folded = str(alice.get(address, {"fold": "each"}).context["picture"])
    moment = each.histories[-1][1]
    TaskRun.objects.filter(pk=each.pk).update(state="FAILED", histories=[*each.histories, ["FAILED", moment]])

    later = str(alice.get(address).context["picture"])

    assert 'data-task="say"' in first
    assert 'data-task="say"' not in folded
    assert "group each, success" in first
    assert "group each, failed" in later
