"""One run of a command in a container, from the image to the removal. Source: core tasks, 10.4."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import docker

from flows.plugin_api.context import RunContext
from flows.plugin_api.tasks import TaskFailure
from plugins.scripts.command import Command, RunResult
from plugins.scripts.containers.connection import ENGINE_ERRORS, explain
from plugins.scripts.containers.images import ensure_image
from plugins.scripts.containers.labels import REMOVABLE, list_own_filters, make_labels
from plugins.scripts.containers.output import ContainerOutput
from plugins.scripts.containers.profile import find_user, make_host_config
from plugins.scripts.containers.transfer import TransferStoppedError, pack_folder, unpack_folder
from plugins.scripts.docker_properties import DockerProperties, FileHandling
from plugins.scripts.process import TakeLine
from plugins.scripts.stopping import KILLED, LOOK_SECONDS, TIMEOUT, find_stop_cause

# The engine of the platform gives a plugin fifteen seconds between being asked to stop and being abandoned.
_LONGEST_GRACE_SECONDS = 10.0
_AFTER_KILL_SECONDS = 3.0
_QUIET_SECONDS = 1.0
_ALIVE = ("running", "paused", "restarting")
_NEVER_BEGUN = ("created", "configured", "initialized", "removing", "dead")
_NO_PROGRAM = ("executable file not found", "no such file or directory", "command that was not found", "not found in $path")
# What the small first processes of Podman and Docker print when the program is missing; the engine itself does not notice then.
_INIT_FAULTS = ("failed to exec pid1", "[FATAL tini")
_KILL_CODE = 137


class ContainerRun:
    """
    Runs one command in one container. Whatever happens the container is gone afterwards, unless the flow keeps it, or this
    process dies: then its labels lead the next attempt, or the sweep, to it.
    """

    def __init__(
        self,
        client: docker.APIClient,
        command: Command,
        props: DockerProperties,
        context: RunContext,
        take_line: TakeLine,
        stop: threading.Event,
    ) -> None:
        self._client, self._command, self._props = client, command, props
        self._context, self._take_line, self._stop = context, take_line, stop
        self._image = command.image or ""
        self._id = ""
        self._folder = str(command.workdir)
        self._cause = self._start_fault = ""
        self._looked_at, self._seems_ended = time.monotonic(), False
        self._kill_at = self._give_up_at = float("inf")

    def run(self) -> RunResult:
        """
        Run, or go on with what a lost worker left, and return how it ended.

        Raises:
            TaskFailure: the engine refused, or stopped answering.
        """
        try:
            self._id = self._take_over()
            if self._id:
                return self._finish_adopted()
            return self._run_anew()
        except TransferStoppedError:
            return self._explain_stop(128 + 15)
        except ENGINE_ERRORS as error:
            raise TaskFailure(f"The container engine failed while it ran the commands: {explain(error)}.") from error
        finally:
            if self._id and self._props.delete and (self._props.wait or self._cause):
                self._remove(self._id)

    def _run_anew(self) -> RunResult:
        ensure_image(self._client, self._image, self._props, self._context, self._find_cause)
        if self._find_cause():
            return self._explain_stop(128 + 15)
        self._id = self._create()
        if self._props.file_handling_strategy is FileHandling.VOLUME:
            self._client.put_archive(self._id, self._folder, pack_folder(self._command.workdir, self._find_cause))
        if not self._props.wait:
            return self._start() or RunResult(0, facts=self._facts)
        output = ContainerOutput(self._client, self._id)
        try:
            output.attach()
            failed = self._start()
            if failed:
                return failed
            self._follow(output)
        finally:
            output.close()
        return self._conclude()

    def _finish_adopted(self) -> RunResult:
        self._context.log.info(f"Going on with container {self._id[:12]}, which a lost worker left.")
        output = ContainerOutput(self._client, self._id)
        try:
            output.replay()
            self._follow(output)
        finally:
            output.close()
        return self._conclude()

    @property
    def _facts(self) -> dict[str, Any]:
        return {"containerId": self._id}

    def _find_cause(self) -> str:
        return find_stop_cause(self._context, self._stop)

    def _take_over(self) -> str:
        """
        Return the container that an earlier, lost attempt of this task run left and that can be gone on with, empty for none.

        All others are removed: nothing follows them any more.
        """
        chosen = ""
        found = self._client.containers(all=True, filters={"label": list_own_filters(self._context)})
        for container in sorted(found, key=lambda each: int(each["Created"]), reverse=True):
            is_removable = container["Labels"].get(REMOVABLE) == "true"
            # One that ended is only unfinished business when its run would have removed it. Engines have several words for that.
            has_ended = container["State"] not in (*_ALIVE, *_NEVER_BEGUN)
            can_go_on = container["State"] in _ALIVE or (has_ended and is_removable)
            if self._props.resume and self._props.wait and not chosen and can_go_on:
                chosen = str(container["Id"])
                self._folder = str(self._client.inspect_container(chosen)["Config"]["WorkingDir"])
            elif is_removable:
                self._remove(str(container["Id"]))
        return chosen

    def _create(self) -> str:
        props = self._props
        host_config = make_host_config(self._client, self._command, props, self._context)
        is_copied = props.file_handling_strategy is FileHandling.VOLUME
        options: dict[str, Any] = {
            "command": list(self._command.argv),
            "entrypoint": list(props.entry_point) or [""],
            "environment": dict(self._command.env),
            "working_dir": self._folder,
            "volumes": [self._folder] if is_copied else None,
            "user": find_user(props),
            "labels": make_labels(self._context, is_removable=props.delete and props.wait),
            "ports": [tuple(name.split("/")) for name in host_config.get("PortBindings") or {}] or None,
        }
        try:
            try:
                made = self._client.create_container(self._image, host_config={**host_config, "Init": True}, **options)
            except docker.errors.APIError as error:
                # An engine without the small first process runs containers all the same; only polite ends take longer.
                if "init" not in explain(error).lower():
                    raise
                made = self._client.create_container(self._image, host_config=host_config, **options)
        except ENGINE_ERRORS as error:
            raise TaskFailure(f'The container of image "{self._image}" could not be made: {explain(error)}.') from error
        for warning in made.get("Warnings") or ():
            self._context.log.debug(f"The container engine says: {warning}")
        return str(made["Id"])

    def _start(self) -> RunResult | None:
        """Start the container; return the result when its program is not in the image, None when it runs."""
        try:
            self._client.start(self._id)
        except docker.errors.APIError as error:
            reason = explain(error)
            if any(words in reason.lower() for words in _NO_PROGRAM):
                return self._explain_no_program(reason)
            raise TaskFailure(f'The container of image "{self._image}" could not be started: {reason}.') from error
        return None

    def _explain_no_program(self, reason: str) -> RunResult:
        program = next((word for word in (*self._props.entry_point, *self._command.argv) if word), "")
        return RunResult(
            127,
            f'The program "{program}" could not be started in the image "{self._image}": {reason}. '
            "Take an image that has it, or name another interpreter.",
            self._facts,
        )

    def _follow(self, output: ContainerOutput) -> None:
        """Pass the lines on until the container has ended; end it when the run has to stop."""
        while True:
            self._take_lines(output.read_lines(LOOK_SECONDS))
            self._check_stop()
            if not output.is_over:
                if self._has_ended_quietly(output):
                    self._take_lines(output.read_rest())
                    return
                continue
            if not self._is_running():
                return
            # A container that closed its outputs goes on without lines; a connection that broke is made again.
            if output.fault:
                self._context.log.debug(f"The connection to the container's output broke and is made again: {output.fault}.")
                output.fault = ""
                output.attach()

    def _take_lines(self, lines: Iterator[tuple[str, bool]]) -> None:
        for line, is_error in lines:
            self._take_line(line, is_error)
            if is_error and any(words in line for words in _INIT_FAULTS):
                self._start_fault = line

    def _is_running(self) -> bool:
        return bool(self._client.inspect_container(self._id)["State"]["Running"])

    def _has_ended_quietly(self, output: ContainerOutput) -> bool:
        """Tell whether the container has ended and the engine forgot to say so to whoever reads its output."""
        now = time.monotonic()
        if now < max(output.heard_at, self._looked_at) + _QUIET_SECONDS:
            return False
        self._looked_at = now
        was_ended, self._seems_ended = self._seems_ended, not self._is_running()
        return was_ended and self._seems_ended

    def _check_stop(self) -> None:
        now = time.monotonic()
        if not self._cause:
            self._cause = self._find_cause()
            if self._cause:
                self._kill_at = now + self._grace_seconds
                self._signal("SIGTERM" if self._grace_seconds else "SIGKILL")
        elif now >= self._kill_at:
            self._kill_at, self._give_up_at = float("inf"), now + _AFTER_KILL_SECONDS
            self._signal("SIGKILL")
        elif now >= self._give_up_at:
            raise TaskFailure("The container did not end although it was killed; it may be stuck in the operating system.")

    @property
    def _grace_seconds(self) -> float:
        asked = self._props.kill_grace_period
        grace = self._command.limits.kill_grace_seconds if asked is None else asked.total_seconds()
        return min(grace, _LONGEST_GRACE_SECONDS)

    def _signal(self, name: str) -> None:
        # A container that has ended meanwhile cannot be signalled, and need not be.
        with contextlib.suppress(docker.errors.APIError):
            self._client.kill(self._id, name)

    def _conclude(self) -> RunResult:
        """Copy the files back and return how the ended container ended."""
        state = self._client.inspect_container(self._id)["State"]
        code = int(state["ExitCode"])
        if self._cause:
            with contextlib.suppress(TaskFailure, *ENGINE_ERRORS):
                self._copy_back(give_up_at=time.monotonic() + _AFTER_KILL_SECONDS)
            return self._explain_stop(code)
        if code and self._start_fault:
            return self._explain_no_program(self._start_fault)
        self._copy_back()
        if self._find_cause():
            return self._explain_stop(code)
        limit = (self._client.inspect_container(self._id).get("HostConfig") or {}).get("Memory") or 0
        return RunResult(code, _explain_end(state, code, limit), self._facts)

    def _copy_back(self, *, give_up_at: float | None = None) -> None:
        if self._props.file_handling_strategy is FileHandling.MOUNT:
            return

        def must_stop() -> str:
            if give_up_at is None:
                return self._find_cause()
            return TIMEOUT if time.monotonic() > give_up_at else ""

        stream, _ = self._client.get_archive(self._id, str(PurePosixPath(self._folder)) + "/.")
        unpack_folder(stream, self._command.workdir, self._context, must_stop)

    def _explain_stop(self, code: int) -> RunResult:
        self._cause = self._cause or self._find_cause() or KILLED
        word = "The timeout has passed" if self._cause == TIMEOUT else "The run was killed"
        facts = self._facts if self._id else {}
        return RunResult(code or _KILL_CODE, f"{word}; the container and everything in it were ended.", facts)

    def _remove(self, container_id: str) -> None:
        try:
            self._client.remove_container(container_id, v=True, force=True)
        except docker.errors.NotFound:
            return
        except ENGINE_ERRORS as error:
            self._context.log.warning(
                f"Container {container_id[:12]} could not be removed: {explain(error)}. The next sweep tries it again."
            )


def _explain_end(state: Mapping[str, Any], code: int, memory_limit: int) -> str:
    """Return why a container ended if it did not end by itself, as a full sentence."""
    if state.get("OOMKilled"):
        return (
            f'Out of memory, limit {memory_limit / 1024**2:.0f} MiB: the commands were killed. Set "memory" of the task runner.'
        )
    if code == _KILL_CODE:
        return (
            f"The commands were killed (signal 9), most often because they needed more memory than their limit of "
            f'{memory_limit / 1024**2:.0f} MiB. Set "memory" of the task runner.'
        )
    if state.get("Error") and code:
        return f"The container ended with exit code {code}: {state['Error']}."
    return ""
