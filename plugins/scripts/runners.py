"""What a task runner is, and the one that needs nothing but the worker: the process runner."""

from __future__ import annotations

import threading
from typing import Any

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Properties
from flows.plugin_api.tasks import TaskFailure
from flows.plugin_api.triggers import RunnerType
from plugins.scripts.command import Command, RunResult
from plugins.scripts.process import SupervisorLostError, TakeLine, run_process


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
