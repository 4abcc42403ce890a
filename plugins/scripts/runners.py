"""The task runners: the process runner, and the Docker runner's properties with the honest answer that it cannot run here."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Mark, Prop, Properties, Secret, load_properties
from flows.plugin_api.tasks import TaskFailure
from flows.plugin_api.triggers import RunnerType
from flows.plugin_api.value_types import Text
from plugins.scripts.command import Command, RunResult
from plugins.scripts.process import SupervisorLostError, TakeLine, run_process
from plugins.scripts.properties import ExecProperties, LegacyRunner


class TaskRunner(RunnerType):
    """A place where commands run. `is_remote` tells whether paths of the working directory mean nothing there."""

    is_remote = False

    def run(self, command: Command, take_line: TakeLine, context: RunContext, props: Any, stop: threading.Event) -> RunResult:
        """Run the command to its end, or end it when `stop` is set; return how it ended. Raises TaskFailure."""
        raise NotImplementedError


class Process(TaskRunner):
    """
    Runs the commands as a child process of the worker, on the same host and with the same user.

    All processes that the commands started end with them. The environment is cleaned of everything that belongs to the
    platform, but a process on the same host is not a sandbox: use a container runner for code that you do not trust.
    """

    type = "io.kestra.plugin.core.runner.Process"
    aliases = ("io.kestra.core.tasks.runners.types.ProcessTaskRunner",)
    title = "Run as a process of the worker"
    examples = (
        """
        id: process_runner
        namespace: company.team
        tasks:
          - id: shell
            type: io.kestra.plugin.scripts.shell.Commands
            taskRunner:
              type: io.kestra.plugin.core.runner.Process
            commands:
              - echo "Hello from the worker"
        """,
    )

    class Props(Properties):
        """The process runner has no properties."""

    def run(self, command: Command, take_line: TakeLine, context: RunContext, props: Any, stop: threading.Event) -> RunResult:
        """Run under a supervisor process. See `run_process` for what is promised."""
        if not context.config("scripts.process-enabled", True):
            raise TaskFailure(
                'The process runner is switched off on this server (setting "scripts.process-enabled"). '
                "Name another task runner, or ask the operator to switch it on.",
                permanent=True,
            )
        try:
            return run_process(command, take_line, context, stop)
        except SupervisorLostError as error:
            raise TaskFailure(str(error)) from error


class DockerCredentials(Properties):
    """How to log in to an image registry."""

    registry: Prop[str] | None = Field(default=None, description="Address of the registry.")
    username: Prop[str] | None = Field(default=None, description="User name.")
    password: Secret[str] | None = Field(default=None, description="Password.")
    registry_token: Secret[str] | None = Field(default=None, description="Token of the registry.")
    identity_token: Secret[str] | None = Field(default=None, description="Identity token.")
    auth: Secret[str] | None = Field(default=None, description="Ready-made authorisation text.")


class DockerCpu(Properties):
    """Processor limits."""

    cpus: Prop[float] | None = Field(default=None, description="Number of processor cores.")


class DockerMemory(Properties):
    """Memory limits, as sizes such as 512MB."""

    memory: Prop[str] | None = Field(default=None, description="Most memory.")
    memory_swap: Prop[str] | None = Field(default=None, description="Most memory and swap together.")
    memory_swappiness: Prop[str] | None = Field(default=None, description="How readily pages are swapped, 0 to 100.")
    memory_reservation: Prop[str] | None = Field(default=None, description="Soft limit.")
    kernel_memory: Prop[str] | None = Field(default=None, description="Most kernel memory.")
    oom_kill_disable: Prop[bool] | None = Field(default=None, description="Do not kill when out of memory.")


class DeviceRequest(Properties):
    """Devices, such as graphics processors."""

    driver: Prop[str] | None = Field(default=None, description="Name of the device driver.")
    count: Prop[int] | None = Field(default=None, description="How many; -1 for all.")
    device_ids: Prop[list[Text]] | None = Field(default=None, description="Which ones.")
    capabilities: Prop[list[list[Text]]] | None = Field(default=None, description="What they must be able to do.")
    options: Prop[dict[str, Text]] | None = Field(default=None, description="Options of the driver.")


class Docker(TaskRunner):
    """
    Runs the commands in a container of a Docker engine.

    Flows that name it are accepted, and its properties are checked. Running it needs the extra "docker", which this
    installation does not have: the task fails and says how to switch to the process runner.
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
            commands:
              - echo "Hello from a container"
        """,
    )

    class Props(Properties):
        """Source: core tasks, 10.4."""

        image: Annotated[Prop[str] | None, Mark(deprecated='Use "containerImage" of the task.')] = Field(
            default=None, description="Image; only inside the old property docker."
        )
        host: Prop[str] | None = Field(default=None, description="Address of the engine.")
        config: Prop[dict[str, Any] | str] | None = Field(default=None, description="Content of the client's config file.")
        credentials: DockerCredentials | None = Field(default=None, description="How to log in to the registry.")
        user: Prop[str] | None = Field(default=None, description="User inside the container.")
        entry_point: Prop[list[Text]] = Field(default=[""], description="Replaces the image's entry point; empty text clears it.")
        extra_hosts: Prop[list[Text]] | None = Field(default=None, description="Additional host names.")
        network_mode: Prop[str] | None = Field(default=None, description="Network of the container.")
        volumes: Prop[list[Text]] | None = Field(default=None, description="Volumes; ignored unless the operator allows them.")
        pull_policy: Prop[str] | None = Field(default=None, description="ALWAYS, IF_NOT_PRESENT (the default) or NEVER.")
        device_requests: list[DeviceRequest] | None = Field(default=None, description="Devices to offer.")
        cpu: DockerCpu | None = Field(default=None, description="Processor limits.")
        memory: DockerMemory | None = Field(default=None, description="Memory limits.")
        shm_size: Prop[str] | None = Field(default=None, description="Size of the shared memory.")
        file_handling_strategy: Prop[str] | None = Field(default=None, description="VOLUME (the default) or MOUNT.")
        delete: Prop[bool] = Field(default=True, description="Remove the container afterwards.")
        wait: Prop[bool] = Field(default=True, description="Wait for the end of the container.")
        kill_grace_period: Prop[str] | None = Field(default=None, description="Time between the polite and the forced end.")
        resume: Prop[bool] = Field(default=True, description="Attach to a container that still runs after a lost worker.")
        privileged: Prop[bool] | None = Field(default=None, description="Give the container all rights of the host.")
        port_bindings: Prop[list[Text]] | None = Field(default=None, description="Ports to publish.")

    def run(self, command: Command, take_line: TakeLine, context: RunContext, props: Any, stop: threading.Event) -> RunResult:
        """Refuse with what to do instead: no container engine is reached from here."""
        raise TaskFailure(
            f'The task asks for the Docker runner (image "{command.image}"), and this server has no support for it installed. '
            f'Set "taskRunner: {{type: {Process.type}}}" on the task, or through pluginDefaults, to run it on the worker; '
            "the image is not used then, so the worker must have the programs that the commands call.",
            permanent=True,
        )


_RUNNERS: dict[str, type[TaskRunner]] = {name: runner for runner in (Process, Docker) for name in (runner.type, *runner.aliases)}
_BY_WORD: dict[str, type[TaskRunner]] = {"process": Process, "docker": Docker}


def choose_runner(context: RunContext, props: ExecProperties) -> tuple[TaskRunner, Properties]:
    """
    Return the runner of a task and its properties, rendered.

    The old property `runner` goes before `taskRunner`; a task with neither gets the server's default (setting
    `scripts.default-runner`, `process` unless set).

    Raises:
        TaskFailure: the named runner does not exist.
        PropertyError: a property of the runner does not fit.
    """
    written: Mapping[str, Any] = {}
    chosen: type[TaskRunner]
    if props.runner is not None:
        chosen = Docker if props.runner is LegacyRunner.DOCKER else Process
        written = props.docker or {} if chosen is Docker else {}
    elif props.task_runner is not None:
        name = str(props.task_runner.get("type") or "")
        if name not in _RUNNERS:
            raise TaskFailure(
                f'The task runner "{name}" is not installed; known are {", ".join(sorted(r.type for r in _BY_WORD.values()))}. '
                'Change "type" of "taskRunner".',
                permanent=True,
            )
        chosen = _RUNNERS[name]
        written = {k: v for k, v in props.task_runner.items() if k != "type"}
        if chosen is Docker:
            written = {**written, **(props.docker or {})}
    else:
        word = str(context.config("scripts.default-runner", "process")).lower()
        if word not in _BY_WORD:
            raise TaskFailure(
                f'The server setting "scripts.default-runner" is "{word}"; it must be one of {", ".join(_BY_WORD)}.',
                permanent=True,
            )
        chosen = _BY_WORD[word]
    runner = chosen()
    return runner, load_properties(runner.Props, written, context.render)
