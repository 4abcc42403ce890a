"""The reference of all commands in Markdown, made from the parsers themselves, so that it never lags behind `--help`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass

from flows.management.completions import list_parsers
from flows.management.reference_examples import EXAMPLES

HEADING = "## Reference"
_BLANKS = re.compile(r"\s+")

COMMON = {
    "where": ("--tenant", "--remote", "--token", "--user"),
    "selection": ("--namespace", "--query", "--filter"),
    "page": ("--sort", "--page", "--size"),
    "dry run": ("--dry-run", "--exit-code"),
    "yes": ("--yes",),
    "output": ("--output",),
}
"""Options that many commands share, by the word that stands for them in the reference."""


@dataclass(frozen=True, slots=True)
class Option:
    """One argument or option as the reference shows it; `flag` is its long form, empty for an argument."""

    flag: str
    shown: str
    about: str


def write_reference() -> str:
    """Return the whole reference, its heading first."""
    lines = [HEADING, "", "Options that many commands share stand here once; each command names those that it has.", ""]
    lines += _write_common()
    for path, parser, about, aliases in list_parsers():
        depth = "###" if len(path) == 1 else "####"
        lines += ["", f"{depth} {' '.join(path)}", "", about]
        if aliases:
            lines[-1] += f" Also called {' and '.join(f'`{alias}`' for alias in aliases)}."
        if " ".join(path) in EXAMPLES:
            lines += ["", f"    python manage.py {EXAMPLES[' '.join(path)]}"]
        lines += _write_options(list_options(parser))
    return "\n".join([*lines, ""])


def list_options(parser: argparse.ArgumentParser) -> list[Option]:
    """Return the arguments and options of a parser but those of Django and of the help."""
    found = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction) or action.help == argparse.SUPPRESS:
            continue
        long = [each for each in action.option_strings if each.startswith("--")]
        if long and long[0] in DJANGO_OPTIONS:
            continue
        found.append(Option(long[0] if long else "", _show(action), _BLANKS.sub(" ", action.help or "")))
    return found


_LOGIN = "--user USER:PASSWORD"
DJANGO_OPTIONS = frozenset(
    {"--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color", "--skip-checks"}
)


def _show(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices is not None and action.metavar is None:
        value = "|".join(map(str, action.choices))
    if not action.option_strings:
        more = "..." if action.nargs in ("+", "*") else ""
        return f"[{value}]{more}" if action.nargs in ("?", "*") else f"{value}{more}"
    return ", ".join(action.option_strings) + ("" if action.nargs == 0 else f" {value}")


def _write_options(options: list[Option]) -> Iterator[str]:
    flags = {option.flag for option in options}
    words = [word for word, members in COMMON.items() if flags.issuperset(set(members) - {"--user"})]
    hidden = {flag for word in words for flag in COMMON[word] if flag != "--user"}
    own = [option for option in options if option.flag not in hidden and option.shown != _LOGIN]
    if own:
        yield from ("", "| argument or option | |", "| --- | --- |")
        yield from (f"| `{_escape(option.shown)}` | {_escape(option.about)} |" for option in own)
    if words:
        yield from ("", f"With the options of *{'*, *'.join(words)}*.")


def _write_common() -> Iterator[str]:
    known: dict[str, Option] = {}
    for _, parser, _, _ in list_parsers():
        for option in list_options(parser):
            known.setdefault(option.flag, option)
    yield from ("| options of | | |", "| --- | --- | --- |")
    for word, flags in COMMON.items():
        for flag in flags:
            if flag in known:
                yield f"| *{word}* | `{_escape(known[flag].shown)}` | {_escape(known[flag].about)} |"


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
