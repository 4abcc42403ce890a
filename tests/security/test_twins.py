"""Two namespaces with twins of everything: whoever may see one of them learns nothing of the other (S-03)."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client

from flows.models import Dashboard
from flows.primitives.rights import Resource
from tests.support.addresses import fill_in, list_routes

from .conftest import ApiCaller, read_body
from .routes import READING, WRITING, Call, Shape, list_calls
from .world import AT, Filled, add_person, fill

pytestmark = pytest.mark.django_db

OWN, FOREIGN, ABSENT = "apple", "zebra", "koala"
NAMED = "tiger"
"""The mark of a foreign flow that a flow of ones own starts, and so names in its own text."""
_CHART = """\
id: chart
type: io.kestra.plugin.core.dashboard.chart.Table
data:
  type: io.kestra.plugin.core.dashboard.data.{source}
  columns:
    name:
      field: NAMESPACE
"""


@pytest.fixture
def own(db: None) -> Filled:
    """What Alice may see as an admin of her namespace, beside its twin, with which her flows have to do."""
    fill(f"{FOREIGN}.team", FOREIGN)
    own = fill(f"{OWN}.team", OWN, callee=fill(f"{NAMED}.team", NAMED))
    # The other direction, too: a foreign flow that starts one of hers.
    fill(f"{FOREIGN}.other", f"{FOREIGN}two", callee=own)
    add_person("alice@example.org", "admin", f"{OWN}.team")
    Dashboard.objects.create(id="board", title="A board", source="title: A board\n", created_at=AT, updated_at=AT)
    return own


@pytest.fixture
def foreign(own: Filled) -> Filled:
    """The twin."""
    from flows.models import Execution

    rows = Execution.objects.filter(namespace=f"{FOREIGN}.team").values_list("state", "pk")
    return Filled(f"{FOREIGN}.team", FOREIGN, dict(rows))


def _unpack(body: bytes) -> bytes:
    """Return the texts of a zip, because its bytes would hide them; other bodies as they are."""
    if body[:2] != b"PK":
        return body
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return b"\n".join(name.encode() + archive.read(name) for name in archive.namelist())


_READ = list_calls(READING)
_READ_IDS = [f"{name}-{method}-{number}" for number, (name, method, _) in enumerate(_READ)]


@pytest.mark.parametrize(("name", "method", "call"), _READ, ids=_READ_IDS)
def test_nothing_of_the_twin_shows_up_in_what_is_ones_own(own: Filled, name: str, method: str, call: Call) -> None:
    answer = ApiCaller("alice@example.org").send(method, **call.make(own.names()))
    body = _unpack(read_body(answer))

    assert answer.status_code == 200, body
    assert FOREIGN.encode() not in body.lower()
    if "dependencies" in name or call.resource is not Resource.FLOW:
        assert NAMED.encode() not in body.lower()


_SEARCHES = [
    "flows/search",
    "executions/search",
    "logs/search",
    "triggers/search",
    "kv",
    "secrets",
    "namespaces/search",
    "templates/search",
]


@pytest.mark.parametrize("path", _SEARCHES)
@pytest.mark.parametrize(
    "query", ["q=zebr", "q=team", "filters[namespace][CONTAINS]=zebr", "filters[or][0][namespace][STARTS_WITH]=z", "size=1000"]
)
def test_no_filter_reaches_beyond_ones_own(own: Filled, path: str, query: str) -> None:
    answer = ApiCaller("alice@example.org").send("GET", f"/{path}?{query}")

    assert answer.status_code in (200, 400)
    assert FOREIGN.encode() not in answer.content.lower()


@pytest.mark.parametrize("source", ["Executions", "Logs", "Metrics", "Flows", "Triggers"])
def test_charts_show_only_ones_own(own: Filled, source: str) -> None:
    body = {
        "chart": _CHART.format(source=source),
        "globalFilter": {"startDate": "2031-05-01T00:00:00Z", "endDate": "2031-05-06T00:00:00Z"},
    }
    answer = ApiCaller("alice@example.org").send(
        "POST", "/dashboards/charts/preview", data=json.dumps(body), content_type="application/json"
    )

    assert answer.status_code == 200, answer.content
    assert answer.json()["results"] and FOREIGN.encode() not in answer.content.lower()


def _blur(text: bytes, place: dict[str, str]) -> bytes:
    """Return an answer with the names that the request itself holds taken out."""
    for value in sorted({*place.values(), place["mark"]}, key=len, reverse=True):
        text = text.replace(value.encode(), b"*")
    return re.sub(rb"[0-9a-f]{16,}", b"#", text)


def _absent(foreign: Filled) -> dict[str, str]:
    """Return names of the same form that nothing has."""
    return {key: value.replace(FOREIGN, ABSENT) for key, value in foreign.names().items()}


_ALL = [one for one in (*_READ, *list_calls(WRITING)) if one[2].shape is not Shape.LIST]
_ALL_IDS = [f"{name}-{method}-{number}" for number, (name, method, _) in enumerate(_ALL)]


@pytest.mark.parametrize(("name", "method", "call"), _ALL, ids=_ALL_IDS)
def test_what_is_foreign_answers_like_what_is_missing(own: Filled, foreign: Filled, name: str, method: str, call: Call) -> None:
    alice = ApiCaller("alice@example.org")
    answers = []
    for names in (foreign.names(), _absent(foreign)):
        answer = alice.send(method, **call.make(names))
        answers.append((answer.status_code, _blur(read_body(answer), names)))

    assert answers[0] == answers[1]
    assert answers[0][0] != 200 or call.shape in (Shape.BULK, Shape.NOTHING)


_NOT_WALKED = ("logout", "login")


def _walk_console(names: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield name and address of every page of the console, filled with names."""
    known = {
        **names,
        "action": "enable",
        "tab": "overview",
        "name": "owner",
        "rest": "x",
        "panel": "runs",
        "dashboard_id": "board",
    }
    known |= {"chart_id": "c", "blueprint_id": "x"}
    tabs = {
        "flow-tab": ("overview", "edit", "executions", "revisions", "triggers", "dependencies", "logs", "metrics"),
        "execution-tab": ("overview", "gantt", "logs", "topology", "outputs", "metrics", "dependencies", "inputs"),
        "namespace-tab": ("overview", "flows", "kv", "files", "secrets", "variables", "access", "dependencies"),
    }

    for text, route in list_routes():
        if text.startswith("ui/") and "GET" in getattr(route.callback, "answered_methods", ()):
            for tab in tabs.get(route.name or "", ("",)):
                yield route.name or "", fill_in(text, {**known, "tab": tab or "overview"})


def _browser() -> Client:
    client = Client()
    client.force_login(User.objects.get(username="alice@example.org"))
    return client


def test_no_page_of_the_console_shows_anything_of_the_twin(own: Filled) -> None:
    browser, telling = _browser(), []
    for name, address in _walk_console(own.names()):
        if name in _NOT_WALKED:
            continue
        for query in ("", "?q=zebr", f"?path={own.names()['path']}"):
            answer = browser.get(address + query)
            if answer.status_code >= 500:
                telling.append((answer.status_code, address + query))
            body = _unpack(read_body(answer))
            if FOREIGN.encode() in body.lower():
                telling.append((name, address + query))

    assert telling == []


def test_foreign_pages_look_like_missing_ones(own: Filled, foreign: Filled) -> None:
    browser, different = _browser(), []
    absent = _absent(foreign)
    for (name, one), (_, other) in zip(_walk_console(foreign.names()), _walk_console(absent), strict=True):
        if one == other or name in _NOT_WALKED:
            continue
        first, second = browser.get(one), browser.get(other)
        bodies = [
            _blur(_without_tokens(read_body(answer)), names) for answer, names in ((first, foreign.names()), (second, absent))
        ]
        if (first.status_code, bodies[0]) != (second.status_code, bodies[1]):
            different.append((one, first.status_code, second.status_code))

    assert different == []


def _without_tokens(body: bytes) -> bytes:
    return re.sub(rb'(csrfmiddlewaretoken" value="|nonce="|csrf-token" content="|data-now=")[^"]*', rb"\1", body)


def test_posts_to_foreign_pages_change_nothing_and_look_like_missing_ones(own: Filled, foreign: Filled) -> None:
    browser, different = _browser(), []
    absent = _absent(foreign)
    for names in (foreign.names(), absent):
        assert browser.post(f"/ui/flows/edit/{names['namespace']}/{names['flow_id']}/act/delete").status_code == 404
    for action in ("kill", "delete", "replay", "labels"):
        answers = [
            browser.post(f"/ui/executions/{names['namespace']}/{names['flow_id']}/{names['running']}/act/{action}").status_code
            for names in (foreign.names(), absent)
        ]
        if answers != [404, 404]:
            different.append((action, answers))

    assert different == []
