"""What `doctor` says about the container engine of a server whose scripts run in containers."""

from __future__ import annotations

from flows.conf import changed_settings
from flows.management.diagnosis import FAIL, OK, check_docker
from tests.support.container_engine import ContainerEngine


def test_an_engine_that_listens_is_found_where_the_operator_says(container_engine: ContainerEngine) -> None:
    with changed_settings(script_runner="docker", plugin_settings={"SCRIPTS_DOCKER_HOST": container_engine.address}):
        finding = check_docker(2.0)

    assert (finding.status, container_engine.address in finding.detail) == (OK, True)


def test_a_missing_engine_is_a_fault_only_where_it_is_needed() -> None:
    nowhere = {"SCRIPTS_DOCKER_HOST": "unix:///nowhere/engine.sock"}
    with changed_settings(script_runner="docker", plugin_settings=nowhere):
        needed = check_docker(2.0)
    with changed_settings(script_runner="process", plugin_settings=nowhere):
        unneeded = check_docker(2.0)

    assert (needed.status, unneeded.status) == (FAIL, OK)
    assert "apt install podman" in needed.detail
