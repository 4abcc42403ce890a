"""Options of the whole test run."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes depends on what else the machine does, and says nothing about the code.
settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that tests in this repository read."""
    parser.addoption(
        "--vectors", metavar="FILE", help="expression vectors to run instead of ../shared/conformance/expressions.yaml"
    )
