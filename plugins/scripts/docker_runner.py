"""The Docker runner: commands in a container of their own."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Collection
from typing import Any

from flows.plugin_api.context import RunContext
from flows.plugin_api.tasks import TaskFailure
from plugins.scripts.command import Command, RunResult
from plugins.scripts.containers.address import find_engine_address
from plugins.scripts.docker_properties import DockerProperties
from plugins.scripts.process import TakeLine
from plugins.scripts.runners import Process, TaskRunner


class Docker(TaskRunner):
    """
    Runs the commands in a container of Docker, Podman or another engine that speaks the Docker API.

    The container gets no variable of the worker, no right of root, no folder of the host, and at most 2 GiB of memory and 512
    processes unless the task or the operator says otherwise. It is removed at the end, also after a kill or a timeout. When the
    worker is lost, the next attempt goes on with the container that still runs.
    """

    type = "io.kestra.plugin.scripts.runner.docker.Docker"
    aliases = ("io.kestra.plugin.scripts.runner.docker.DockerTaskRunner",)
    title = "Run in a Docker container"
    is_remote = True
    examples = (
        """
        id: docker_runner
        namespace: company.team
        tasks:
          - id: shell
            type: io.kestra.plugin.scripts.shell.Commands
            containerImage: ubuntu
            taskRunner:
              type: io.kestra.plugin.scripts.runner.docker.Docker
              cpu:
                cpus: 0.5
              memory:
                memory: 256MB
            commands:
              - echo "Hello from a container"
        """,
    )
    Props = DockerProperties

    def run(self, command: Command, take_line: TakeLine, context: RunContext, props: Any, stop: threading.Event) -> RunResult:
        """Run in a container. Raises TaskFailure when there is no engine, or when it refuses."""
        _check_library()
        from plugins.scripts.containers.connection import connected
        from plugins.scripts.containers.run import ContainerRun

        command = dataclasses.replace(command, image=props.image or command.image)
        with connected(props.host, context.config) as client:
            return ContainerRun(client, command, props, context, take_line, stop).run()

    def remove_leftovers(self, config: Callable[[str, Any], Any], list_open: Callable[[Collection[str]], Collection[str]]) -> int:
        """Remove containers whose task run is over. Nothing is asked where no engine is known."""
        if find_engine_address(config) is None:
            return 0
        _check_library()
        from plugins.scripts.containers.sweep import remove_orphans

        return remove_orphans(config, list_open)


def _check_library() -> None:
    """Its library is large, so only a process that runs containers loads it."""
    try:
        import docker  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise TaskFailure(
            'The Docker runner needs the Python package "docker" on the worker: pip install docker. To run without a '
            f'container, set "taskRunner: {{type: {Process.type}}}" on the task.',
            permanent=True,
        ) from error
