"""Shell completion made from the parsers themselves, so that it never names an option that is not there."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from django.core.management import get_commands, load_command_class

APP = "flows"
PROGRAMS = ("manage.py", "celestra")


@dataclass(frozen=True, slots=True)
class Words:
    """What may follow a command: its path such as `("flows", "apply")`, what it is for, next words and options."""

    path: tuple[str, ...]
    about: str
    following: tuple[str, ...]
    options: tuple[str, ...]


Entry = tuple[tuple[str, ...], argparse.ArgumentParser, str, tuple[str, ...]]
"""A command or action: its path, its parser, what it is for, and its other names."""


def list_parsers() -> list[Entry]:
    """Return every command and action of ours by name, groups before their actions."""
    found: list[Entry] = []
    for name, app in sorted(get_commands().items()):
        if app == APP:
            command = load_command_class(app, name)
            _collect(command.create_parser(PROGRAMS[0], name), (name,), command.help, (), found)
    return found


def _collect(
    parser: argparse.ArgumentParser, path: tuple[str, ...], about: str, aliases: tuple[str, ...], found: list[Entry]
) -> None:
    found.append((path, parser, about, aliases))
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                inner = action.choices[choice.dest]
                others = tuple(name for name, each in action.choices.items() if each is inner and name != choice.dest)
                _collect(inner, (*path, choice.dest), choice.help or "", others, found)


def list_words() -> list[Words]:
    """Return every command and action of ours, groups before their actions."""
    entries = list_parsers()
    found = []
    for path, parser, about, _ in entries:
        following = tuple(inner[-1] for inner, _, _, _ in entries if inner[:-1] == path)
        options = [
            option
            for action in parser._actions
            if action.help != argparse.SUPPRESS
            for option in action.option_strings
            if option.startswith("--")
        ]
        found.append(Words(path, about, following, tuple(options)))
    return found


def write_bash(words: list[Words]) -> str:
    """Return a script for bash."""
    cases = []
    for each in words:
        following, options = " ".join(each.following or each.options), " ".join(each.options)
        cases.append(f"    {_pattern(each.path)}) words={_quote(following)}; options={_quote(options)} ;;")
    names = " ".join(each.path[0] for each in words if len(each.path) == 1)
    return "\n".join(
        [
            "# Completion of Celestra's commands for bash.",
            "_celestra_words() {",
            "  local seen= word position=1 words= options=",
            f"  words={_quote(names)}",
            '  while [ "$position" -lt "$COMP_CWORD" ]; do',
            '    word="${COMP_WORDS[position]}"; position=$((position + 1))',
            '    case "$word" in -*) continue ;; esac',
            '    case " $words " in *" $word "*) seen="$seen $word" ;; *) continue ;; esac',
            '    case "$seen" in',
            *cases,
            "    esac",
            "  done",
            '  case "${COMP_WORDS[COMP_CWORD]}" in -*) words="$options" ;; esac',
            '  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))',
            "}",
            f"complete -o default -F _celestra_words {' '.join(PROGRAMS)}",
            "",
        ]
    )


def write_zsh(words: list[Words]) -> str:
    """Return a script for zsh, to be sourced after `compinit`."""
    cases = [
        f"      {_pattern(each.path)}) next=({' '.join(map(_quote, each.following))}); options=({' '.join(each.options)}) ;;"
        for each in words
    ]
    names = " ".join(each.path[0] for each in words if len(each.path) == 1)
    return "\n".join(
        [
            f"#compdef {' '.join(PROGRAMS)}",
            "# Completion of Celestra's commands for zsh.",
            "_celestra_words() {",
            "  local seen= word",
            "  local -a next options",
            f"  next=({names})",
            "  for word in ${words[2,CURRENT-1]}; do",
            '    [[ "$word" == -* ]] && continue',
            "    (( ${next[(Ie)$word]} )) || continue",
            '    seen="$seen $word"',
            '    case "$seen" in',
            *cases,
            "    esac",
            "  done",
            '  if [[ "${words[CURRENT]}" == -* || ${#next} -eq 0 ]]; then compadd -- $options; else compadd -- $next; fi',
            "  (( ${#next} )) || _files",
            "}",
            f"compdef _celestra_words {' '.join(PROGRAMS)}",
            "",
        ]
    )


def write_fish(words: list[Words]) -> str:
    """Return a script for fish."""
    abouts = {each.path: each.about for each in words}
    lines = ["# Completion of Celestra's commands for fish."]
    for program in PROGRAMS:
        for each in words:
            if len(each.path) == 1:
                lines.append(_fish(program, "__fish_use_subcommand", f"-a {each.path[0]}", each.about))
            seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in each.path)
            below = " ".join(each.following)
            for name in each.following:
                condition = f"{seen}; and not __fish_seen_subcommand_from {below}"
                lines.append(_fish(program, condition, f"-a {name}", abouts[(*each.path, name)]))
            lines += [_fish(program, seen, f"-l {option.removeprefix('--')}", "") for option in each.options]
    return "\n".join([*lines, ""])


def _fish(program: str, condition: str, what: str, about: str) -> str:
    described = f" -d {_quote(about)}" if about else ""
    return f"complete -c {program} -n {_quote(condition)} {what}{described}"


def _pattern(path: tuple[str, ...]) -> str:
    return _quote("".join(f" {word}" for word in path))


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
