"""The run of a script task from its properties to its output. Source: core tasks, 10.3."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import threading
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from flows.plugin_api.context import RunContext
from flows.plugin_api.files import NamespaceFilesOptions
from flows.plugin_api.tasks import RunnableTask, TaskFailure
from flows.plugin_api.value_types import FileMap
from flows.plugin_api.working_files import (
    CONTEXT_FILE,
    collect_files,
    fetch_stored_files,
    open_beneath,
    write_input_files,
    write_namespace_files,
)
from plugins.scripts import python_packages
from plugins.scripts.choice import choose_runner
from plugins.scripts.command import Command, Limits, RunResult, build_argv, is_shell, quote
from plugins.scripts.environment import HELPER_FOLDER, base_environment, named_environment, shapes_interpreter
from plugins.scripts.languages import PYTHON, Language
from plugins.scripts.properties import ExecProperties, PythonProperties, ScriptOutput, TargetOS
from plugins.scripts.protocol import ScriptMessages
from plugins.scripts.sizes import read_size

_FILES: TypeAdapter[dict[str, str]] = TypeAdapter(FileMap)
_CONTEXT_NAMES = ("labels", "inputs", "outputs", "vars", "trigger", "flow", "execution", "task", "taskrun")


class ExecTask(RunnableTask):
    """
    A task that runs commands through a task runner. A subclass says which lines and with which language.

    The family engine for CLI plugins too: override `list_lines` and, for more variables, `language`.
    """

    language: Language
    Output = ScriptOutput

    def __init__(self) -> None:
        self._stop = threading.Event()

    def kill(self) -> None:
        """Stop the commands: TERM at the next look, at most a tenth of a second later, then KILL after the grace period."""
        self._stop.set()

    def list_lines(self, run: ScriptRun, props: Any) -> list[str]:
        """Return the rendered lines that make up the commands, after writing what files they need."""
        raise NotImplementedError

    def run(self, context: RunContext, props: ExecProperties) -> ScriptOutput:
        """Run the commands and return what they left. Raises TaskFailure, which carries the outputs of a run that ended badly."""
        with ScriptRun(context, self.language, props) as run:
            runner, runner_props = choose_runner(context, props)
            run.lay_out_files()
            prefix = None if runner.is_remote else run.prepare_packages(self._stop)
            setup = run.list_package_lines() if runner.is_remote else []
            lines = [*setup, *run.render_lines(props.before_commands), *self.list_lines(run, props)]
            command = run.build_command(lines, extra_path=prefix, is_remote=runner.is_remote)
            messages = ScriptMessages(context)
            result = runner.run(
                command, lambda line, is_error: messages.take_line(line, is_error=is_error), context, runner_props, self._stop
            )
            return run.finish(result, messages)


class ScriptRun:
    """
    One run: its folders, files and variables.

    As a context manager it takes away again what it added to the working directory.
    """

    def __init__(self, context: RunContext, language: Language, props: ExecProperties) -> None:
        self.context = context
        self.language = language
        self.props = props
        self.root = context.workdir.resolve()
        self._name = _name_run(context)
        self._private: Path | None = None
        self.output_folder = self.private / "output" if props.output_directory or props.runner is not None else None
        self._own_files: list[Path] = []
        self._program: Path | None = None
        self._shapes_interpreter = False

    def __enter__(self) -> ScriptRun:
        if self.output_folder is not None:
            self.output_folder.mkdir()
        return self

    @property
    def private(self) -> Path:
        """A folder below the working directory for what we add to the run, made when first asked for; never collected."""
        if self._private is None:
            self._private = self.root / f".celestra-{self._name}"
            self._private.mkdir(mode=0o700, exist_ok=True)
        return self._private

    def __exit__(self, *_: object) -> None:
        if self._private is not None:
            shutil.rmtree(self._private, ignore_errors=True)
        for path in self._own_files:
            path.unlink(missing_ok=True)

    def render(self, value: Any, *, typed: bool = False) -> Any:
        """Render with the variables that only scripts have: `workingDir`, `outputDir`, `bucketPath`."""
        extra = {
            "workingDir": str(self.root),
            "outputDir": str(self.output_folder) if self.output_folder else None,
            "bucketPath": None,
        }
        return self.context.render(value, extra, typed=typed)

    def render_lines(self, written: Sequence[str] | str | None) -> list[str]:
        """Return rendered lines from a list, or from one text that gives a list; stored files in them are fetched."""
        rendered = self.render(written, typed=isinstance(written, str)) if written else []
        if isinstance(rendered, str):
            rendered = _read_json(rendered, rendered)
        lines = rendered if isinstance(rendered, list) else [rendered]
        return [self.fetch(str(line)) for line in lines if line is not None]

    def fetch(self, text: str) -> str:
        """Return `text` with the addresses of stored files replaced by paths of copies."""
        return fetch_stored_files(self.context, self.private, text) if "kestra://" in text else text

    def write_program(self, text: str) -> Path:
        """Write the program of a `Script` task into the working directory, where it can import its neighbours."""
        name = f"script-{self._name}{self.language.extension}"
        with open_beneath(self.root, name, write=True) as file:
            file.write(text.encode())
        path = self.root / name
        self._own_files.append(path)
        self._program = path
        return path

    def lay_out_files(self) -> None:
        """Write namespace files, then input files over them, then the execution context."""
        chosen = self.props.namespace_files
        settings = chosen if isinstance(chosen, NamespaceFilesOptions) else NamespaceFilesOptions()
        if chosen and settings.enabled:
            write_namespace_files(
                self.context,
                self.root,
                namespaces=settings.namespaces or [str(self.context.flow["namespace"])],
                include=settings.include,
                exclude=settings.exclude,
                if_exists=settings.if_exists,
                folder_per_namespace=settings.folder_per_namespace,
            )
        if self.props.input_files:
            write_input_files(self.context, self.root, self._read_input_files())
        if self.props.execution_context:
            self._write_context()

    def prepare_packages(self, stop: threading.Event) -> Path | None:
        """Return the folder of programs of the environment with the task's Python packages, or None when it names none."""
        if not isinstance(self.props, PythonProperties) or not self.props.dependencies:
            return None
        return python_packages.prepare(
            self.context,
            list(self.props.dependencies),
            manager=self.props.package_manager,
            version=self.props.python_version,
            is_cached=self.props.dependency_cache_enabled,
            private=self.private,
            stop=stop,
        )

    def list_package_lines(self) -> list[str]:
        """
        Return the lines that install the task's Python packages where the worker's own environments are not: in a container.

        Raises:
            TaskFailure: the interpreter is no shell that could run them.
        """
        if not isinstance(self.props, PythonProperties) or not self.props.dependencies:
            return []
        if not is_shell(self.props.interpreter or self.language.interpreter):
            raise TaskFailure(
                'Property "dependencies" needs a shell as "interpreter" when the commands run in a container. Leave it away, '
                "or take an image that has the packages.",
                permanent=True,
            )
        if self.props.python_version:
            self.context.log.warning('"pythonVersion" is not used in a container; the image decides which Python there is.')
        return python_packages.list_install_lines(
            self.props.dependencies, manager=self.props.package_manager, private=self.private
        )

    def build_command(self, lines: Sequence[str], *, extra_path: Path | None, is_remote: bool) -> Command:
        """Return the command with its complete environment."""
        env = self._build_environment(extra_path, is_remote=is_remote)
        python_file = self._program if not is_remote and self._runs_only_python(lines, extra_path) else None
        return Command(
            argv=(sys.executable, str(python_file)) if python_file else tuple(self._build_argv(lines)),
            env=env,
            workdir=self.root,
            image=self.props.container_image or (self.props.docker or {}).get("image") or self.language.image,
            limits=read_limits(self.context),
            python_file=python_file,
        )

    def _build_argv(self, lines: Sequence[str]) -> list[str]:
        line_end = "\r\n" if self.props.target_os is TargetOS.WINDOWS else "\n"
        interpreter = self.props.interpreter or self.language.interpreter
        return build_argv(interpreter, lines, fail_fast=self.props.fail_fast, folder=self.private, line_end=line_end)

    def _runs_only_python(self, lines: Sequence[str], extra_path: Path | None) -> bool:
        """Tell whether the commands are the one line that runs a Python file, in an ordinary environment."""
        is_plain = len(lines) == 1 and extra_path is None and self.props.interpreter is None and not self._shapes_interpreter
        return self.language is PYTHON and is_plain and bool(self.context.config("scripts.warm-python", True))

    def finish(self, result: RunResult, messages: ScriptMessages) -> ScriptOutput:
        """Collect the files and return the output. Raises TaskFailure with that output when the commands ended badly."""
        output = ScriptOutput(
            vars=messages.vars,
            exit_code=result.exit_code,
            output_files=self._collect(),
            task_runner=dict(result.facts) or None,
        )
        if result.exit_code or result.reason:
            reason = result.reason or f"The commands ended with exit code {result.exit_code}; see what they logged."
            raise TaskFailure(reason, outputs=output)
        if self.props.warning_on_std_err and messages.error_line_count:
            output.final_state = "WARNING"
        return output

    def _read_input_files(self) -> dict[str, str]:
        rendered = self.render(self.props.input_files, typed=isinstance(self.props.input_files, str))
        try:
            return _FILES.validate_python(rendered)
        except ValidationError as error:
            reasons = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
            raise TaskFailure(
                f'Property "inputFiles" must be a map from relative path to content: {reasons}.', permanent=True
            ) from error

    def _write_context(self) -> None:
        values = {name: self.context.render("{{ " + name + " ?? null }}", typed=True) for name in _CONTEXT_NAMES}
        path = self.root / CONTEXT_FILE
        with open_beneath(self.root, CONTEXT_FILE, write=True) as file:
            path.chmod(0o600)
            file.write(json.dumps({k: v for k, v in values.items() if v is not None}, default=str).encode())
        self._own_files.append(path)

    def _build_environment(self, extra_path: Path | None, *, is_remote: bool) -> dict[str, str]:
        inherited = tuple(self.context.config("scripts.inherit-environment", ()))
        own = self._read_user_variables()
        self._shapes_interpreter = any(shapes_interpreter(name) for name in (*own, *inherited))
        base = named_environment(inherited) if is_remote else base_environment(inherited)
        env = {**base, **self.language.env, **own}
        if extra_path is not None:
            env["PATH"] = f"{extra_path}:{env['PATH']}"
            env["VIRTUAL_ENV"] = str(extra_path.parent)
        if self.language is PYTHON:
            helper = self._copy_helper() if is_remote else HELPER_FOLDER
            env["PYTHONPATH"] = ":".join(filter(None, [env.get("PYTHONPATH"), str(helper)]))
        env["WORKING_DIR"] = str(self.root)
        if self.output_folder is not None:
            env["OUTPUT_DIR"] = str(self.output_folder)
        if self.props.execution_context:
            env["KESTRA_EXECUTION_CONTEXT_FILE"] = str(self.root / CONTEXT_FILE)
        env["CELESTRA_TASKRUN_ID"] = str(self.context.taskrun.get("id", ""))
        env["CELESTRA_ATTEMPT"] = str(self.context.attempt)
        return env

    def _copy_helper(self) -> Path:
        """Put the module `kestra` where a container finds it, and return its folder."""
        folder = self.private / "python"
        shutil.copytree(HELPER_FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        return folder

    def _read_user_variables(self) -> dict[str, str]:
        written = self.props.env
        rendered = self.render(written, typed=isinstance(written, str)) if written else {}
        if isinstance(rendered, str):
            rendered = _read_json(rendered, None)
        if not isinstance(rendered, Mapping):
            raise TaskFailure(
                'Property "env" must be a map of names to texts, or one expression that gives such a map.', permanent=True
            )
        variables = {str(name): _to_text(value) for name, value in rendered.items() if value is not None}
        for name, value in variables.items():
            if not name or "=" in name or "\0" in name + value:
                raise TaskFailure(
                    f'Property "env" has the name "{name}", which cannot be an environment variable.', permanent=True
                )
        return variables

    def _collect(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self.props.output_files:
            found.update(collect_files(self.context, self.root, self.props.output_files, leave_out=self._own_files))
        if self.output_folder is not None:
            found.update(collect_files(self.context, self.output_folder, ["**"]))
        return found


class ScriptTask(ExecTask):
    """Runs an inline program: from a file for most languages, as commands for the shell."""

    def list_lines(self, run: ScriptRun, props: Any) -> list[str]:
        """Return the line that runs the program's file."""
        text = run.fetch(str(run.render(props.script)))
        if not self.language.extension:
            return [text]
        return [f"{self.language.command} {quote(run.write_program(text))}"]


class CommandsTask(ExecTask):
    """Runs a list of shell lines."""

    def list_lines(self, run: ScriptRun, props: Any) -> list[str]:
        """Return the lines, rendered."""
        lines = run.render_lines(props.commands)
        if not lines:
            raise TaskFailure('Property "commands" must have at least one line.', permanent=True)
        return lines


def read_limits(context: RunContext) -> Limits:
    """
    Return the limits that the operator set for scripts, each None when unset.

    Settings: `scripts.memory-limit` and `scripts.file-size-limit` (bytes or a size such as `512MiB`), `scripts.cpu-seconds`,
    `scripts.process-limit`, `scripts.kill-grace-seconds` (5).
    """
    return Limits(
        memory=read_size(context.config("scripts.memory-limit"), "scripts.memory-limit"),
        file_size=read_size(context.config("scripts.file-size-limit"), "scripts.file-size-limit"),
        cpu_seconds=_read_count(context, "scripts.cpu-seconds"),
        processes=_read_count(context, "scripts.process-limit"),
        kill_grace_seconds=float(context.config("scripts.kill-grace-seconds", 5.0)),
    )


def _name_run(context: RunContext) -> str:
    """
    Return the name of what we add to the working directory. All attempts of a task run have the same, so that one which goes on
    with the container of a lost one finds its files in it.
    """
    task_run = context.taskrun.get("id")
    return hashlib.sha256(str(task_run).encode()).hexdigest()[:12] if task_run else uuid.uuid4().hex[:12]


def _read_count(context: RunContext, key: str) -> int | None:
    value = context.config(key)
    return int(value) if value else None


def _read_json(text: str, otherwise: Any) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return otherwise


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)
