"""The official client against a running system: every test gets a namespace of its own, and learns which answers were odd."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.reading import note_guesses
from tests.support import eventually
from tests.support.system_process import SystemProcess

with warnings.catch_warnings():
    # What the clients themselves do at import is theirs.
    warnings.simplefilter("ignore")
    from kestrapy import KestraClient

TENANT = "main"
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder: all of them need a whole system."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.system)


@pytest.fixture
def odd_answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What strict readers of the client said about answers that they refused; must stay empty."""
    found = note_guesses(monkeypatch)
    yield found
    assert found == []


@pytest.fixture
def client(running_system: SystemProcess, odd_answers: list[str]) -> Iterator[KestraClient]:
    """The client with user name and password."""
    with KestraClient(
        host=running_system.base_url, username=running_system.user, password=running_system.password, timeout=30
    ) as opened:
        yield opened


@pytest.fixture
def namespace(client: KestraClient, request: pytest.FixtureRequest) -> str:
    """A namespace that only this test uses."""
    return "sdk." + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:80].strip("-")


SaveFlow = Callable[..., str]


@pytest.fixture
def save_flow(client: KestraClient, namespace: str) -> SaveFlow:
    """Save a flow from the text that follows its id and namespace, and return its id."""

    def save(body: str, flow_id: str = "daily") -> str:
        client.flows.create_flow(TENANT, f"id: {flow_id}\nnamespace: {namespace}\n{body}")
        return flow_id

    return save


@pytest.fixture
def wait_for(client: KestraClient) -> Callable[..., Any]:
    """Wait until an execution is in one of the states, and return it as the client reads it."""

    def wait(execution_id: str, *states: str, within: float = 20.0) -> Any:
        def look() -> Any:
            found = client.executions.execution(execution_id, TENANT)
            assert found.state.current.value in states, f"{execution_id} is {found.state.current.value}"
            return found

        return eventually(look, within=within, every=0.05)

    return wait
