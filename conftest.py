"""Options of the whole test run."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that tests in this repository read."""
    parser.addoption(
        "--vectors", metavar="FILE", help="expression vectors to run instead of ../shared/conformance/expressions.yaml"
    )
