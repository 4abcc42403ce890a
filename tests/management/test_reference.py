"""The page about the command line: every command, every option, one example each, as the parsers have them."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from flows.management.completions import list_parsers
from flows.management.reference import HEADING, list_options, write_reference
from flows.management.reference_examples import EXAMPLES
from tests.management.conftest import Run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "command-line.md"
PARSERS = {" ".join(path): parser for path, parser, _, _ in list_parsers()}


def has_actions(parser: argparse.ArgumentParser) -> bool:
    """Tell whether a parser is that of a group, which does nothing by itself."""
    return any(isinstance(action, argparse._SubParsersAction) and action.required for action in parser._actions)


def test_the_page_holds_the_reference_of_today() -> None:
    """When this fails: python manage.py reference --into docs/command-line.md"""
    assert PAGE.read_text().partition(f"\n{HEADING}\n")[2] == write_reference().partition(f"{HEADING}\n")[2]


@pytest.mark.parametrize("name", PARSERS)
def test_the_page_names_a_command_with_all_its_options(name: str) -> None:
    page = PAGE.read_text()

    shown = [option.flag or option.shown.replace("|", "\\|") for option in list_options(PARSERS[name])]
    missing = [text for text in shown if text not in page]

    assert (f" {name}\n" in page, missing) == (True, [])


def test_every_command_has_an_example_and_no_example_is_left_over() -> None:
    wanted = {name for name, parser in PARSERS.items() if not has_actions(parser)}

    assert set(EXAMPLES) == wanted


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_understood(name: str) -> None:
    words = shlex.split(EXAMPLES[name])
    group = words[0]

    options = PARSERS[group].parse_args(words[1:])

    assert " ".join(words).startswith(name)
    assert options is not None


def test_every_argument_and_option_of_ours_says_what_it_is() -> None:
    silent = [
        f"{name} {option.shown}"
        for name, parser in PARSERS.items()
        for option in list_options(parser)
        if not option.about and not name.startswith("users")
    ]

    assert silent == []


def test_the_reference_is_written_into_a_page(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{HEADING}\n\nold\n")

    answer = run("reference", "--into", str(page))

    assert (answer.status, page.read_text()) == (0, f"# Title\n\n{write_reference()}")
    assert run("reference").out == write_reference()
    assert run("reference", "--into", str(tmp_path / "none.md")).status == 2


def test_an_unknown_action_is_wrong_usage() -> None:
    with pytest.raises(CommandError) as refused:
        call_command("flows", "fly")

    assert "invalid choice" in str(refused.value)
