"""What lost workers left behind is removed once its task run is over, and not before."""

from __future__ import annotations

import pytest

from flows.conf import changed_settings, read_plugin_setting
from flows.engine.runner_sweep import list_open_runs, sweep_runners
from tests.support.container_engine import TINY_IMAGE, ContainerEngine
from tests.support.driving import finish_waiting, heavy, run_of, save, start, visit

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_task_run_is_open_until_it_has_ended() -> None:
    save(heavy("a"))
    execution_id = start()
    visit(execution_id)
    run_id = run_of(execution_id, "a").id

    before = list_open_runs([run_id, "unknown"])
    finish_waiting(execution_id)

    assert (before, list_open_runs([run_id]), list_open_runs([])) == ({run_id}, set(), set())


def test_a_sweep_removes_the_container_of_a_task_run_that_is_over(container_engine: ContainerEngine) -> None:
    save(heavy("a"))
    execution_id = start()
    visit(execution_id)
    labels = {
        "celestra.io/installation": read_plugin_setting("installation"),
        "celestra.io/removable": "true",
        "kestra.io/taskrun-id": run_of(execution_id, "a").id,
    }
    with container_engine.client() as client:
        client.create_container(TINY_IMAGE, entrypoint=[""], command=["/bin/sleep", "60"], labels=labels)

    with changed_settings(plugin_settings={"SCRIPTS_DOCKER_HOST": container_engine.address}):
        early = sweep_runners()
        finish_waiting(execution_id)
        late = sweep_runners()

    assert (early, late) == (0, 1)


def test_an_engine_that_does_not_answer_stops_no_worker() -> None:
    with changed_settings(plugin_settings={"SCRIPTS_DOCKER_HOST": "unix:///nowhere/engine.sock"}):
        assert sweep_runners() == 0
