"""The script task types: for each language `Script` (an inline program) and `Commands` (shell lines)."""

from __future__ import annotations

from plugins.scripts.engine import CommandsTask, ExecTask, ScriptTask
from plugins.scripts.languages import LANGUAGES, PYTHON, Language
from plugins.scripts.properties import CommandsProperties, PythonCommandsProperties, PythonScriptProperties, ScriptProperties

_SAMPLES = {
    "python": 'print("Hello")',
    "shell": 'echo "Hello"',
    "node": 'console.log("Hello")',
    "powershell": "Write-Output 'Hello'",
    "r": 'print("Hello")',
    "ruby": 'puts "Hello"',
    "go": 'package main; import "fmt"; func main() { fmt.Println("Hello") }',
    "julia": 'println("Hello")',
    "perl": 'print "Hello\\n";',
    "php": '<?php echo "Hello";',
    "lua": 'print("Hello")',
    "bun": 'console.log("Hello")',
    "deno": 'console.log("Hello")',
    "dotnet": 'Console.WriteLine("Hello");',
}


def _make_script(language: Language) -> type[ExecTask]:
    props = PythonScriptProperties if language is PYTHON else ScriptProperties
    return _make(
        language,
        "Script",
        ScriptTask,
        props,
        f"Run an inline {language.name} script",
        f"    script: |\n      {_SAMPLES[language.package]}",
    )


def _make_commands(language: Language) -> type[ExecTask]:
    props = PythonCommandsProperties if language is PYTHON else CommandsProperties
    program = (language.command or "sh").split()[0].replace("&", "pwsh")
    return _make(
        language,
        "Commands",
        CommandsTask,
        props,
        f"Run commands beside {language.name}",
        f"    commands:\n      - {program} --version",
    )


def _make(
    language: Language,
    kind: str,
    base: type[ExecTask],
    props: type[CommandsProperties | ScriptProperties],
    title: str,
    sample: str,
) -> type[ExecTask]:
    type_name = f"io.kestra.plugin.scripts.{language.package}.{kind}"
    example = f"id: {language.package}_example\nnamespace: company.team\ntasks:\n  - id: run\n    type: {type_name}\n{sample}\n"
    attributes = {
        "__module__": __name__,
        "__doc__": f"{title}. It runs as a process of the worker; container runners take the image {language.image}.",
        "type": type_name,
        "title": title,
        "language": language,
        "Props": props,
        "examples": (example,),
    }
    return type(f"{language.package.capitalize()}{kind}", (base,), attributes)


globals().update({made.__name__: made for language in LANGUAGES for made in (_make_script(language), _make_commands(language))})
