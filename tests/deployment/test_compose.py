"""The shipped container files: valid, without root, without a container engine's socket, with health checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

ROOT = Path(__file__).resolve().parents[2]
ROLES = {"postgres", "valkey", "setup", "web", "worker", "beat", "listener", "flower"}
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def test_the_compose_file_meets_the_compose_specification() -> None:
    # Its parser knows no merge keys, so it gets the file as a YAML reader has resolved them.
    resolved = json.dumps(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))

    assert set(PyCompose.from_json(resolved).services or {}) == ROLES


def test_every_role_of_the_platform_has_a_service() -> None:
    assert set(SERVICES) == ROLES


@pytest.mark.parametrize("name", sorted(ROLES))
def test_no_service_runs_as_root(name: str) -> None:
    user = SERVICES[name]["user"].split(":")[0]

    assert int(user) > 0


@pytest.mark.parametrize("name", sorted(ROLES))
def test_no_service_sees_a_container_engine_or_gains_rights(name: str) -> None:
    service = SERVICES[name]

    assert not [volume for volume in service.get("volumes", []) if "docker" in str(volume) or "podman" in str(volume)]
    assert not service.get("privileged") and "cap_add" not in service and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", sorted(ROLES - {"setup"}))
def test_every_lasting_service_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def test_no_service_has_a_password_of_its_own() -> None:
    """Whoever starts it has to choose: a start without the variable is refused."""
    needed = {"CELESTRA_SECRET_KEY": "web", "POSTGRES_PASSWORD": "postgres", "FLOWER_BASIC_AUTH": "flower"}

    assert all(SERVICES[service]["environment"][name].startswith("${" + name + ":?") for name, service in needed.items())


def test_ports_are_open_on_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_a_worker_gets_longer_to_stop_than_its_tasks_get_to_finish() -> None:
    assert SERVICES["worker"]["stop_grace_period"] == "40s"


def test_the_image_runs_as_an_ordinary_user() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]

    assert users[-1:] == ["10001:10001"]
