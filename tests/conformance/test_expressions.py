"""Runs every expression vector. Vectors of level `strict` are quirks: a difference is reported, not failed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.expressions import ExpressionError, StaticEnvironment, render

DEFAULT_VECTORS = Path(__file__).parents[2].parent / "shared" / "conformance" / "expressions.yaml"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = metafunc.config.getoption("--vectors", default=None)
    path = Path(chosen) if chosen else DEFAULT_VECTORS
    vectors = yaml.safe_load(path.read_text()) if chosen or path.exists() else []
    metafunc.parametrize("vector", vectors, ids=[vector["id"] for vector in vectors])


def make_environment(vector: dict[str, Any]) -> StaticEnvironment:
    fixtures = vector.get("fixtures", {})
    namespace = (vector.get("vars", {}).get("flow") or {}).get("namespace", "")
    return StaticEnvironment(
        secrets=fixtures.get("secrets", {}),
        kv=fixtures.get("kv", {}),
        files=fixtures.get("files", {}),
        error_logs=fixtures.get("errorLogs", []),
        namespace=namespace,
    )


def find_difference(vector: dict[str, Any]) -> str | None:
    """Return how the result differs from what the vector expects, or None."""
    options = {"typed": vector.get("typed", False), "recursive": vector.get("recursive", False)}
    try:
        result = render(vector["template"], vector.get("vars", {}), environment=make_environment(vector), **options)
    except ExpressionError as error:
        if not vector.get("error"):
            return f"failed with {error.kind}: {error}"
        if vector.get("kind") not in (None, error.kind):
            return f"expected kind {vector['kind']}, got {error.kind}: {error}"
        if vector.get("message", "") not in str(error):
            return f"expected the message to contain {vector['message']!r}, got {error}"
        return None
    if vector.get("error"):
        return f"expected an error of kind {vector.get('kind')}, got {result!r}"
    if "matches" in vector:
        return None if re.search(vector["matches"], result) else f"expected a match of {vector['matches']}, got {result!r}"
    expected = vector.get("expect")
    if vector.get("compare") == "json":
        result, expected = json.loads(result), json.loads(expected)
    return None if (type(result), result) == (type(expected), expected) else f"expected {expected!r}, got {result!r}"


def test_vector_gives_the_expected_result(vector: dict[str, Any]) -> None:
    difference = find_difference(vector)

    if difference is not None and vector.get("level") == "strict":
        pytest.skip(f"differs in a strict quirk: {difference}")
    assert difference is None
