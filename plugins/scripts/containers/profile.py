"""
What a container of ours may do: little unless the flow asks and the operator allows. Source: security, S-23 and S-24.

Settings of the operator: `scripts.docker.privileged-enabled`, `volume-enabled`, `host-network-enabled`, `capabilities`,
`read-only`, `memory-limit` (2GiB), `memory-ceiling`, `process-limit` (512); `scripts.cpu-seconds` and `scripts.file-size-limit`
hold here, too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import docker

from flows.plugin_api.context import RunContext
from flows.plugin_api.tasks import TaskFailure
from plugins.scripts.command import Command
from plugins.scripts.docker_properties import DockerMemory, DockerProperties, FileHandling
from plugins.scripts.sizes import read_size

_DEFAULT_MEMORY = "2GiB"
_DEFAULT_PROCESSES = 512
# Networks that are not the container's own: through them it would reach what listens on the host for itself only.
_FOREIGN_NETWORKS = ("host", "container:", "ns:")


def make_host_config(client: docker.APIClient, command: Command, props: DockerProperties, context: RunContext) -> dict[str, Any]:
    """
    Return the host configuration of a container: limits, rights, network and mounts.

    Raises:
        TaskFailure: the flow asks for something that the operator did not allow, or a value cannot be read.
    """
    is_privileged = _may_be_privileged(props, context)
    _check_network(props.network_mode, context)
    is_read_only = bool(context.config("scripts.docker.read-only", False))
    kept = _list_capabilities(context)
    options: dict[str, Any] = {
        "privileged": is_privileged,
        "network_mode": props.network_mode,
        "extra_hosts": list(props.extra_hosts or []) or None,
        "binds": _list_volumes(props, context),
        "mounts": _list_mounts(command, props),
        "device_requests": _list_devices(props),
        "port_bindings": _read_ports(props.port_bindings or []),
        "shm_size": read_size(props.shm_size, "shmSize"),
        "nano_cpus": int(props.cpu.cpus * 1e9) if props.cpu and props.cpu.cpus else None,
        "pids_limit": command.limits.processes or int(context.config("scripts.docker.process-limit", _DEFAULT_PROCESSES)),
        "ulimits": _list_ulimits(command),
        "auto_remove": props.delete and not props.wait,
        **_read_memory(props.memory or DockerMemory(), command, context),
    }
    if not is_privileged:
        options |= {"cap_drop": ["ALL"], "cap_add": kept or None, "security_opt": ["no-new-privileges"]}
    if is_read_only:
        options |= {"read_only": True, "tmpfs": {"/tmp": ""}}  # noqa: S108 - inside the container
    try:
        made = client.create_host_config(**{name: value for name, value in options.items() if value is not None})
    except (docker.errors.DockerException, TypeError, ValueError) as error:
        raise TaskFailure(f"The properties of the Docker runner do not fit together: {error}", permanent=True) from error
    return dict(made)


def find_user(props: DockerProperties) -> str | None:
    """Return the user of the container; a folder that is lent stays in the hands of the worker's own user."""
    if props.user or props.file_handling_strategy is not FileHandling.MOUNT:
        return props.user
    return f"{os.getuid()}:{os.getgid()}"


def _may_be_privileged(props: DockerProperties, context: RunContext) -> bool:
    if not props.privileged:
        return False
    if not context.config("scripts.docker.privileged-enabled", False):
        raise TaskFailure(
            'The task asks for a container with "privileged: true", which this server does not allow, because such a container '
            'can do everything on its host. Remove the property, or ask the operator to set "scripts.docker.privileged-enabled".',
            permanent=True,
        )
    return True


def _check_network(mode: str | None, context: RunContext) -> None:
    if mode and mode.startswith(_FOREIGN_NETWORKS) and not context.config("scripts.docker.host-network-enabled", False):
        raise TaskFailure(
            f'The task asks for "networkMode: {mode}", which this server does not allow, because the container would reach what '
            'the host keeps to itself. Use "bridge", "none" or the name of a network, or ask the operator to set '
            '"scripts.docker.host-network-enabled".',
            permanent=True,
        )


def _list_capabilities(context: RunContext) -> list[str]:
    """Return the rights of root that the operator gives back to containers, without their prefix."""
    given = context.config("scripts.docker.capabilities", ())
    names = given.split(",") if isinstance(given, str) else given
    return sorted({str(name).strip().upper().removeprefix("CAP_") for name in names if str(name).strip()})


def _list_volumes(props: DockerProperties, context: RunContext) -> list[str] | None:
    if not props.volumes:
        return None
    if not context.config("scripts.docker.volume-enabled", False):
        context.log.warning(
            'The property "volumes" is ignored: this server does not lend folders of its host to containers. Hand files over '
            'with "inputFiles" and "outputFiles", or ask the operator to set "scripts.docker.volume-enabled".'
        )
        return None
    for volume in props.volumes:
        if len(volume.split(":")) not in (2, 3):
            raise TaskFailure(f'A volume must be written as /host:/container, also with :ro; got "{volume}".', permanent=True)
    return list(props.volumes)


def _list_mounts(command: Command, props: DockerProperties) -> list[Any] | None:
    """Return the working directory when the folder itself is lent; otherwise it is an unnamed volume of the container."""
    folder = str(command.workdir)
    if props.file_handling_strategy is FileHandling.MOUNT:
        return [docker.types.Mount(target=folder, source=folder, type="bind")]
    return None


def _list_devices(props: DockerProperties) -> list[Any] | None:
    wanted = [request.model_dump(exclude_none=True) for request in props.device_requests or []]
    return [docker.types.DeviceRequest(**request) for request in wanted] or None


def _list_ulimits(command: Command) -> list[Any] | None:
    limits = {"cpu": command.limits.cpu_seconds, "fsize": command.limits.file_size}
    return [docker.types.Ulimit(name=name, soft=value, hard=value) for name, value in limits.items() if value] or None


def _read_ports(written: Sequence[str]) -> dict[str, Any] | None:
    ports: dict[str, Any] = {}
    for binding in written:
        host, _, inside = binding.rpartition(":")
        address, _, port = host.rpartition(":")
        if not inside.partition("/")[0].isdigit() or not (port.isdigit() or not host):
            raise TaskFailure(f'A port must be written as host:container, such as 8080:80; got "{binding}".', permanent=True)
        ports[inside] = (address, int(port)) if address else int(port) if host else None
    return ports or None


def _read_memory(wanted: DockerMemory, command: Command, context: RunContext) -> dict[str, Any]:
    default = context.config("scripts.docker.memory-limit") or command.limits.memory or _DEFAULT_MEMORY
    memory = read_size(wanted.memory, "memory") or read_size(default, "scripts.docker.memory-limit")
    ceiling = read_size(context.config("scripts.docker.memory-ceiling"), "scripts.docker.memory-ceiling")
    if ceiling and memory and memory > ceiling:
        raise TaskFailure(
            f"The task asks for {memory:,} bytes of memory; this server allows a container {ceiling:,} at most (setting "
            '"scripts.docker.memory-ceiling"). Ask for less.',
            permanent=True,
        )
    swap = -1 if str(wanted.memory_swap).strip() == "-1" else read_size(wanted.memory_swap, "memorySwap")
    return {
        "mem_limit": memory,
        "memswap_limit": swap or memory,
        "mem_reservation": read_size(wanted.memory_reservation, "memoryReservation"),
        "mem_swappiness": _read_percentage(wanted.memory_swappiness),
        "kernel_memory": read_size(wanted.kernel_memory, "kernelMemory"),
        "oom_kill_disable": wanted.oom_kill_disable,
    }


def _read_percentage(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.strip().isdigit() or int(text) > 100:
        raise TaskFailure(f'"memorySwappiness" must be a whole number from 0 to 100; got "{text}".', permanent=True)
    return int(text)
