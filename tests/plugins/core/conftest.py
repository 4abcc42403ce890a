"""A context for core tasks that renders with the real expression language."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flows.expressions import render
from flows.plugin_api.registry import ManifestError, Registry, get_registry, load_registry, set_registry
from flows.plugin_api.testing import FakeContext
from tests.plugins.core.http_server import LocalServer


def render_expression(value: Any, variables: Any, *, typed: bool) -> Any:
    """Render with the expression language, as the engine does."""
    return render(value, variables, typed=typed)


@pytest.fixture
def make_context() -> Iterator[Callable[..., FakeContext]]:
    """Make contexts that are closed at the end of the test."""
    made: list[FakeContext] = []

    def make(**options: Any) -> FakeContext:
        made.append(FakeContext(**{"render": render_expression, **options}))
        return made[-1]

    yield make
    for context in made:
        context.close()


@pytest.fixture
def context(make_context: Callable[..., FakeContext]) -> FakeContext:
    """A context with nothing special about it."""
    return make_context()


@pytest.fixture(scope="session")
def core_plugins() -> Registry:
    """The core plugins alone."""
    return load_registry(["plugins.core"])


@pytest.fixture(autouse=True)
def core_registry(core_plugins: Registry) -> Iterator[None]:
    """Make the core plugins those of the process, for tasks that look others up."""
    try:
        before = get_registry()
    except ManifestError:
        before = Registry()
    set_registry(core_plugins)
    yield
    set_registry(before)


@pytest.fixture(scope="module")
def shared_server() -> Iterator[LocalServer]:
    """One server for the tests of a module."""
    running = LocalServer()
    yield running
    running.stop()


@pytest.fixture
def server(shared_server: LocalServer) -> LocalServer:
    """The server with nothing recorded yet."""
    shared_server.requests.clear()
    shared_server.reached.clear()
    shared_server.release.clear()
    return shared_server
