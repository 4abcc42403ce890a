"""The OpenAPI document: complete, valid, and true, which generated requests find out."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any

import pytest
import requests
import schemathesis
from django.contrib.auth.models import User
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from urllib3 import HTTPResponse

from flows.api.views.document import write_document
from flows.models import Execution
from tests.api.conftest import Api, MakeExecution

# Streams stay open until something happens; tests/api/test_streams.py reads them.
_STREAMS = "text/event-stream"
EXAMPLES_OF_EACH = int(os.environ.get("CELESTRA_API_EXAMPLES", "6"))

_REAL = {
    "namespace": "company.team",
    "flow_id": "daily",
    "action": "restart",
    "kind": "flow",
    "task_id": "hello",
}


@cache
def read_document() -> dict[str, Any]:
    """Return the document as a client reads it."""
    return json.loads(write_document("json"))


def list_operations() -> list[tuple[str, str]]:
    """Return path and method of every operation that answers at once."""
    found = []
    for path, methods in read_document()["paths"].items():
        for method, operation in methods.items():
            media = {name for answer in operation["responses"].values() for name in answer.get("content", {})}
            if _STREAMS not in media:
                found.append((path, method))
    return found


@cache
def load_schema() -> Any:
    """Return the document as schemathesis works with it."""
    loaded = schemathesis.openapi.from_dict(read_document(), config=SchemathesisConfig.from_dict({}))
    return loaded


def test_the_document_is_valid() -> None:
    validate_schema(read_document())


def test_every_function_behind_a_route_is_described() -> None:
    generator = SchemaGenerator()
    generator._initialise_endpoints()
    silent = [
        f"{method} {path}"
        for path, _, method, callback in generator.endpoints
        if not hasattr(getattr(callback.cls, method.lower()), "api_description")
    ]

    assert silent == []


def test_every_operation_has_a_name_of_its_own_and_a_summary() -> None:
    operations = [one for methods in read_document()["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]

    assert len(names) == len(set(names))
    assert [one["operationId"] for one in operations if not one["summary"]] == []


def test_clients_choose_between_json_and_yaml(api: Api) -> None:
    as_json = api.client.get("/api/schema")
    as_yaml = api.client.get("/api/schema?format=yaml")

    assert json.loads(as_json.content)["openapi"].startswith("3.1")
    assert as_yaml.content.startswith(b"openapi:")


@pytest.fixture
def ended(owner: User, daily: dict[str, Any], make_execution: MakeExecution) -> Execution:
    """An execution of `company.team/daily` with a task run and a log line."""
    return make_execution(runs={"hello": "SUCCESS"}, logs=[(2, "done")])


@pytest.fixture
def owner(alice: User) -> User:
    """Somebody who may do everything."""
    User.objects.filter(pk=alice.pk).update(is_superuser=True)
    return alice


def send(case: Any, client: Client) -> requests.Response:
    """Send a generated request inside of the test's own transaction, and return the answer as schemathesis reads it."""
    prepared = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
    headers = {name: value if isinstance(value, str) else value.decode("latin-1") for name, value in prepared.headers.items()}
    body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body or b""
    content_type = headers.pop("Content-Type", "")
    answer = client.generic(prepared.method, prepared.path_url, body, content_type=content_type, headers=headers)
    read = requests.Response()
    read.status_code, read.request, read.url = answer.status_code, prepared, prepared.url
    read.headers.update(answer.headers)
    read._content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    read.raw = HTTPResponse(read._content, headers=dict(answer.headers), status=answer.status_code, version=11)
    return read


@pytest.mark.parametrize(("path", "method"), list_operations(), ids=lambda value: value)
def test_generated_requests_get_answers_as_documented(path: str, method: str, ended: Execution, api: Api) -> None:
    operation = load_schema()[path][method.upper()]
    real = {**_REAL, "execution_id": ended.id, "task_run_id": f"{ended.id}run0"}

    @given(case=operation.as_strategy(), is_real=st.booleans())
    @settings(
        max_examples=EXAMPLES_OF_EACH,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def call(case: Any, is_real: bool) -> None:
        if is_real:
            case.path_parameters.update({name: real[name] for name in case.path_parameters if name in real})
        answer = send(case, api.client)
        case.validate_response(
            answer,
            checks=[
                schemathesis.checks.not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            ],
        )

    call()
