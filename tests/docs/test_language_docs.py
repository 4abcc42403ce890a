"""The flows of the pages: generated pages are current, every example is read and the marked ones run."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
import yaml

from flows.language.parse import parse_flow
from flows.plugin_api.registry import Registry, load_registry
from flows.primitives.problems import Severity
from tests.docs.pages import LANGUAGE, Example, list_examples, list_links
from tests.support import eventually
from tests.support.system_process import SystemProcess

EXAMPLES = list_examples()
RUNNABLE = [example for example in EXAMPLES if example.end_state]
API = "/api/v1/main"


@pytest.fixture(scope="session")
def installed() -> Registry:
    """Every plugin package that lies in this repository."""
    manifests = sorted(LANGUAGE.parents[1].glob("plugins/*/manifest.json"))
    return load_registry([f"plugins.{path.parent.name}" for path in manifests])


def test_the_pages_of_the_types_are_current() -> None:
    done = subprocess.run([sys.executable, str(LANGUAGE / "build.py"), "--check"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_index_of_the_language_names_every_page() -> None:
    named = {link.partition("#")[0] for link in list_links(LANGUAGE / "README.md")}

    assert {path.name for path in LANGUAGE.glob("*.md")} - named == {"README.md"}


def test_no_two_examples_of_the_guides_are_the_same_flow() -> None:
    names = Counter(
        yaml.safe_load(document)["id"] for example in EXAMPLES if "/tasks/" not in example.page for document in example.documents
    )

    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_is_a_valid_flow(example: Example, installed: Registry) -> None:
    results = [parse_flow(document, installed) for document in example.documents]

    errors = [str(problem) for result in results for problem in result.problems if problem.severity == Severity.ERROR]
    assert errors == []
    assert all(result.flow is not None for result in results)


@pytest.mark.system
def test_the_examples_that_are_marked_run_as_marked(running_system: SystemProcess) -> None:
    """All of them at once, as people would not: it is quicker, and they must not disturb each other."""
    started = {example: _start(running_system, example) for example in RUNNABLE}

    ended = {example: _wait_for_end(running_system, execution_id) for example, execution_id in started.items()}

    wrong = {str(example): state for example, state in ended.items() if state != example.end_state}
    assert wrong == {}
    assert len(ended) > 25


def _start(system: SystemProcess, example: Example) -> str:
    for document in example.documents:
        status, answer = system.call("POST", f"{API}/flows", document)
        assert status == 200, f"{example}: {answer}"
    status, execution = system.call("POST", f"{API}/executions/{answer['namespace']}/{answer['id']}", {})
    assert status == 200, f"{example}: {execution}"
    return str(execution["id"])


def _wait_for_end(system: SystemProcess, execution_id: str) -> str:
    def look() -> str:
        execution = system.call("GET", f"{API}/executions/{execution_id}")[1]
        state = str(execution["state"]["current"])
        assert "endDate" in execution["state"] and state != "PAUSED", state
        return state

    try:
        return eventually(look, within=60, every=0.1)
    except AssertionError as error:
        return f"not ended: {error}"
