"""The script languages as rows of data: what differs between them and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Language:
    """
    One language.

    Attributes:
        package: last part of the type's package, such as `python`.
        name: as people write it.
        image: container image that a container runner takes when the task names none.
        extension: of the file that holds a script; empty when the script's text is itself the commands.
        command: words before the path of the script file.
        interpreter: default interpreter of the commands.
        env: variables that every run gets; those of the task come on top.
    """

    package: str
    name: str
    image: str
    extension: str = ""
    command: str = ""
    interpreter: tuple[str, ...] = ("/bin/sh", "-c")
    env: Mapping[str, str] = field(default_factory=dict)


PYTHON = Language(
    package="python",
    name="Python",
    image="python:3.13-slim",
    extension=".py",
    command="python",
    env={"PYTHONUNBUFFERED": "true", "PIP_ROOT_USER_ACTION": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
)
SHELL = Language(package="shell", name="Shell", image="ubuntu")
NODE = Language(package="node", name="Node.js", image="node", extension=".js", command="node")
POWERSHELL = Language(
    package="powershell",
    name="PowerShell",
    image="mcr.microsoft.com/powershell",
    extension=".ps1",
    command="&",
    interpreter=("pwsh", "-NoProfile", "-NonInteractive", "-Command"),
)
R = Language(package="r", name="R", image="r-base", extension=".R", command="Rscript")
RUBY = Language(package="ruby", name="Ruby", image="ruby", extension=".rb", command="ruby")
GO = Language(package="go", name="Go", image="golang", extension=".go", command="go run")
JULIA = Language(package="julia", name="Julia", image="julia", extension=".jl", command="julia")
PERL = Language(package="perl", name="Perl", image="perl", extension=".pl", command="perl")
PHP = Language(package="php", name="PHP", image="php", extension=".php", command="php")
LUA = Language(package="lua", name="Lua", image="nickblah/lua", extension=".lua", command="lua")
BUN = Language(package="bun", name="Bun", image="oven/bun", extension=".ts", command="bun run")
DENO = Language(package="deno", name="Deno", image="denoland/deno", extension=".ts", command="deno run --allow-all")
DOTNET = Language(package="dotnet", name=".NET", image="mcr.microsoft.com/dotnet/sdk", extension=".csx", command="dotnet script")

LANGUAGES = (PYTHON, SHELL, NODE, POWERSHELL, R, RUBY, GO, JULIA, PERL, PHP, LUA, BUN, DENO, DOTNET)
