"""What the tests of the API share: a signed-in caller, a flow, and executions as the engine leaves them behind."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from flows.api import limits
from flows.api.auth import verified_credentials
from flows.engine.catalog import forget_flows
from flows.models import Execution, LogEntry, TaskRun

AT = datetime(2031, 5, 4, 10, 0, tzinfo=UTC)
PASSWORD = "correct-Horse-7-battery"

SOURCE = """\
id: daily
namespace: company.team
labels:
  team: data
inputs:
  - id: day
    type: STRING
    required: false
tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: Hello
"""


def basic(name: str, password: str = PASSWORD) -> str:
    """Return the Authorization header of these credentials."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def content_of(answer: Any) -> bytes:
    """Return the whole content of a streamed answer; what it reads from is closed at its end."""
    return b"".join(answer.streaming_content)


class Api:
    """Calls below `/api/v1/main`, with the credentials of one person and real CSRF checks."""

    def __init__(self, name: str | None, prefix: str = "/api/v1/main") -> None:
        self.client = Client(enforce_csrf_checks=True, headers={"authorization": basic(name)} if name else {})
        self.prefix = prefix

    def call(self, method: str, path: str, **kwargs: Any) -> Any:
        return self.client.generic(method, path if path.startswith("/api/") else self.prefix + path, **kwargs)

    def get(self, path: str, /, **query: Any) -> Any:
        return self.client.get(self.prefix + path, query)

    def send(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        data = body if isinstance(body, (str, bytes)) else b"" if body is None else json.dumps(body)
        return self.call(method, path, data=data, content_type=content_type if body is not None else "")

    def send_yaml(self, method: str, path: str, text: str) -> Any:
        return self.send(method, path, text, "application/x-yaml")

    def post_form(self, path: str, fields: dict[str, Any] | None = None) -> Any:
        return self.client.post(self.prefix + path, fields or {})


@pytest.fixture(autouse=True)
def _no_remembered_state() -> None:
    """Every test begins with an empty database, so nothing remembered of an earlier one may be used."""
    forget_flows()
    verified_credentials.clear()
    limits.passwords.clear()
    limits.webhook_keys.clear()


@pytest.fixture
def alice(db: None) -> User:
    """The owner of the installation."""
    return User.objects.create_superuser("alice@example.org", "alice@example.org", PASSWORD)


@pytest.fixture
def api(alice: User) -> Api:
    """A signed-in caller."""
    return Api("alice@example.org")


@pytest.fixture
def stranger(db: None) -> Api:
    """A caller without credentials."""
    return Api(None)


@pytest.fixture
def daily(api: Api) -> dict[str, Any]:
    """The flow `company.team/daily`, saved."""
    answer = api.send_yaml("POST", "/flows", SOURCE)
    assert answer.status_code == 200, answer.content
    return answer.json()


MakeExecution = Callable[..., Execution]


@pytest.fixture
def make_execution(db: None) -> MakeExecution:
    """Make the row of an execution in any state, with task runs by name and state, and log lines."""
    made = 0

    def make(
        state: str = "SUCCESS",
        *,
        runs: dict[str, str] | None = None,
        logs: list[tuple[int, str]] | None = None,
        minutes: int = 0,
        **values: Any,
    ) -> Execution:
        nonlocal made
        made += 1
        start = AT + timedelta(minutes=minutes)
        moments = [start + timedelta(seconds=second) for second in range(3)]
        texts = [moment.isoformat() for moment in moments]
        histories = [["CREATED", texts[0]], ["RUNNING", texts[1]]]
        ended = state not in ("CREATED", "RUNNING", "PAUSED", "QUEUED")
        if state not in ("CREATED", "RUNNING"):
            histories.append([state, texts[2]])
        key = values.pop("id", f"{made:04d}ABCDEFGHabcdefgh")
        execution = Execution.objects.create(
            **{
                "id": key,
                "namespace": "company.team",
                "flow_id": "daily",
                "flow_revision": 1,
                "state": state,
                "histories": histories[:1] if state == "CREATED" else histories,
                "created_at": start,
                "ended_at": moments[2] if ended else None,
                "original_id": key,
                "original_created_at": start,
                "labels": [{"key": "team", "value": "data"}],
                **values,
            }
        )
        for number, (task_id, run_state) in enumerate((runs or {}).items()):
            TaskRun.objects.create(
                id=f"{key}run{number}",
                execution=execution,
                task_id=task_id,
                state=run_state,
                histories=[["CREATED", texts[0]], ["RUNNING", texts[1]], [run_state, texts[2]]],
                created_at=start,
                attempts=[{"state": run_state, "startDate": texts[1], "endDate": texts[2], "workerId": "worker-1"}],
                outputs={"value": task_id},
            )
        for level, message in logs or []:
            LogEntry.objects.create(
                namespace=execution.namespace,
                flow_id=execution.flow_id,
                execution_id=key,
                task_id="hello",
                level=level,
                timestamp=start,
                message=message,
            )
        return execution

    return make
