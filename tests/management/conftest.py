"""Running commands as a person would: arguments in, exit status and both outputs out."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from flows.engine.catalog import forget_flows

FLOW = """id: {id}
namespace: {namespace}
tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: {message}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Answer]


@pytest.fixture(autouse=True)
def fresh_catalog() -> None:
    """Forget the flows of other tests: their rows went away with their transaction."""
    forget_flows()


@pytest.fixture
def run() -> Run:
    """Run `manage.py GROUP ACTION ...` in this process."""

    def run_command(*arguments: str) -> Answer:
        out, err = io.StringIO(), io.StringIO()
        status = 0
        try:
            call_command(*arguments, stdout=out, stderr=err)
        except SystemExit as end:
            status = int(end.code or 0)
        except CommandError as error:
            status = error.returncode if error.returncode != 1 else 2
            err.write(str(error))
        return Answer(status, out.getvalue(), err.getvalue())

    return run_command


@pytest.fixture
def write_flow(tmp_path: Path) -> Callable[..., Path]:
    """Write a flow file below the temporary folder and return its path."""

    def write(
        name: str = "daily.yml", *, namespace: str = "company.team", message: str = "hi", flow_id: str | None = None
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FLOW.format(id=flow_id or path.stem, namespace=namespace, message=message))
        return path

    return write
