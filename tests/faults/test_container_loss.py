"""A worker that dies while its script runs in a container: the next attempt goes on with that container."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support import eventually
from tests.support.container_engine import TINY_IMAGE, ContainerEngine
from tests.support.system_process import SystemProcess

from .ledger import attempts_of, get, owner_of, save, start, wait_end


def list_containers(engine: ContainerEngine, execution_id: str, **filters: str) -> list[str]:
    """Return the containers of an execution."""
    wanted = {"label": f"kestra.io/execution-id={execution_id}", **filters}
    with engine.client() as client:
        return [found["Id"] for found in client.containers(all=True, filters=wanted)]


@pytest.mark.system
def test_the_container_of_a_killed_worker_process_is_taken_over(
    running_system: SystemProcess, container_engine: ContainerEngine
) -> None:
    task = {
        "id": "a",
        "type": "io.kestra.plugin.scripts.shell.Commands",
        "taskRunner": {"type": "io.kestra.plugin.scripts.runner.docker.Docker", "host": container_engine.address},
        "containerImage": TINY_IMAGE,
        "commands": ["until [ -e /tmp/gate ]; do sleep 0.1; done", """echo '::{"outputs":{"n":1}}::'"""],
    }
    save(running_system, "lost-container", [task])
    execution_id = start(running_system, "lost-container")
    (container,) = eventually(lambda: list_containers(container_engine, execution_id, status="running"), within=30)

    os.kill(owner_of(running_system, execution_id, "a"), signal.SIGKILL)
    eventually(lambda: len(attempts_of(running_system, execution_id, "a")) == 2, within=40)
    with container_engine.client() as client:
        client.exec_start(client.exec_create(container, ["/bin/touch", "/tmp/gate"])["Id"])
    state, _ = wait_end(running_system, execution_id, within=40)

    outputs = get(running_system, execution_id)["taskRunList"][0]["outputs"]
    assert (state, outputs["taskRunner"]["containerId"], outputs["vars"]) == ("SUCCESS", container, {"n": 1})
    assert list_containers(container_engine, execution_id) == []
