"""The properties and the output that all script tasks share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from flows.plugin_api.fields import Mark, Output, Prop, Properties, Static
from flows.plugin_api.files import NamespaceFilesOptions
from flows.plugin_api.value_types import Text


class TargetOS(StrEnum):
    """For which system line ends are written; AUTO is the system of the worker."""

    AUTO = "AUTO"
    LINUX = "LINUX"
    WINDOWS = "WINDOWS"


class LegacyRunner(StrEnum):
    """The old way to choose a task runner."""

    PROCESS = "PROCESS"
    DOCKER = "DOCKER"


class PackageManager(StrEnum):
    """What installs Python packages."""

    UV = "UV"
    PIP = "PIP"


class ExecProperties(Properties):
    """What every task has that runs programs. Source: core tasks, 10.2."""

    task_runner: Annotated[Static[dict[str, Any]] | None, Mark(group="execution")] = Field(
        default=None, description='Where the commands run: an object with the "type" of a task runner and its properties.'
    )
    container_image: Annotated[Prop[str] | None, Mark(group="execution")] = Field(
        default=None, description="Image for container runners; the process runner does not use it."
    )
    before_commands: Annotated[Static[list[Text] | str] | None, Mark(dynamic=True, language="shell")] = Field(
        default=None, description="Commands that run before, in the same shell."
    )
    env: Annotated[Static[dict[str, Any] | str] | None, Mark(dynamic=True)] = Field(
        default=None, description="Environment variables: a map, or one expression that gives a map."
    )
    interpreter: Annotated[Prop[list[Text]] | None, Mark(group="advanced")] = Field(
        default=None, min_length=1, description="Program and options that get the commands as one text."
    )
    fail_fast: Prop[bool] = Field(default=True, description="End at the first shell command that fails.")
    warning_on_std_err: Prop[bool] = Field(
        default=False, description="End with WARNING when something was written to standard error."
    )
    input_files: Annotated[Static[dict[str, Any] | str] | None, Mark(dynamic=True)] = Field(
        default=None, description="Files to write before: relative path to content or storage address. JSON text is accepted."
    )
    output_files: Prop[list[Text]] | None = Field(
        default=None, description="Globs of the files that go to internal storage afterwards, also after a failure."
    )
    namespace_files: NamespaceFilesOptions | bool | None = Field(
        default=None, description="Namespace files to copy before the input files."
    )
    output_directory: Annotated[Prop[bool], Mark(deprecated='Use "outputFiles" instead.', group="deprecated")] = Field(
        default=False, description='Make the folder "{{ outputDir }}", whose files all become outputs.'
    )
    target_os: Annotated[Prop[TargetOS], Mark(group="advanced")] = Field(
        default=TargetOS.AUTO, alias="targetOS", description="For which system line ends are written."
    )
    execution_context: Prop[bool] = Field(
        default=False,
        description="Write the variables of the execution to .kestra-execution-context.json for the script to read.",
    )
    runner: Annotated[Prop[LegacyRunner] | None, Mark(deprecated='Use "taskRunner" instead.', group="deprecated")] = Field(
        default=None, description="PROCESS or DOCKER; goes before taskRunner."
    )
    docker: Annotated[Static[dict[str, Any]] | None, Mark(deprecated='Use "taskRunner" instead.', group="deprecated")] = Field(
        default=None, description='Properties of the Docker runner and the "image".'
    )


class ScriptProperties(ExecProperties):
    """An inline program."""

    script: Annotated[Static[str], Mark(dynamic=True)] = Field(description="The program's text.")


class CommandsProperties(ExecProperties):
    """A list of shell lines."""

    commands: Annotated[Static[list[Text] | str], Mark(dynamic=True, language="shell")] = Field(
        min_length=1, description="The lines to run."
    )


class PythonProperties(Properties):
    """What only Python tasks have."""

    dependencies: Prop[list[Text]] | None = Field(
        default=None, description="Packages to install before, as pip writes them; kept in a cached environment."
    )
    package_manager: Prop[PackageManager] = Field(
        default=PackageManager.UV, description="What installs the packages; pip is used where uv is not installed."
    )
    dependency_cache_enabled: Prop[bool] = Field(default=True, description="False installs anew at each run.")
    python_version: Prop[str] | None = Field(
        default=None, description="Version of Python for the packages' environment; needs uv. The worker's own by default."
    )
    uv_auto_install_enabled: Annotated[Prop[bool], Mark(group="advanced")] = Field(
        default=True, description="Accepted for compatibility: uv is used when the worker has it and is never downloaded."
    )
    uv_installer_version: Annotated[Prop[str] | None, Mark(group="advanced")] = Field(
        default=None, description="Accepted for compatibility and not used."
    )
    uv_installer_sha256: Annotated[Prop[str] | None, Mark(group="advanced")] = Field(
        default=None, description="Accepted for compatibility and not used."
    )


class PythonScriptProperties(ScriptProperties, PythonProperties):
    """An inline Python program."""

    script: Annotated[Static[str], Mark(dynamic=True, language="python")] = Field(description="The program's text.")


class PythonCommandsProperties(CommandsProperties, PythonProperties):
    """Shell lines beside Python packages."""


class ScriptOutput(Output):
    """What a script task leaves. Source: core tasks, 10.3."""

    vars: dict[str, Any] = Field(default={}, description="Values that the script sent as outputs.")
    exit_code: int = Field(description="Exit code of the commands; 0 on success.")
    output_files: dict[str, str] = Field(default={}, description="Path to address of each collected file.")
    task_runner: dict[str, Any] | None = Field(default=None, description="What the task runner tells, such as a container id.")
