"""The picture beside the code: groups folded and called flows opened, as the address says, and never what is not the reader's."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from flows.models import Flow
from flows.operations import flows as operations
from tests.ui.conftest import AT, FLOW_ID, NAMESPACE, SOURCE, save_flow

CALL = "  - id: call\n    type: io.kestra.plugin.core.flow.Subflow\n    namespace: company.team\n    flowId: {flow}\n"
INNER = """id: inner
namespace: company.team
tasks:
  - id: prepare
    type: io.kestra.plugin.core.log.Log
    message: x
""" + CALL.replace("id: call", "id: deeper").format(flow="innermost")
INNERMOST = INNER.replace("id: inner\n", "id: innermost\n").replace("id: deeper", "id: again").replace("prepare", "last")
INNERMOST = INNERMOST.replace("flowId: innermost", "flowId: inner")
CALLING = SOURCE.replace("  - id: each\n", f"{CALL.format(flow='inner')}  - id: each\n")

pytestmark = pytest.mark.django_db


@pytest.fixture
def called() -> None:
    """Two flows that call each other."""
    save_flow(INNER, flow_id="inner")
    save_flow(INNERMOST, flow_id="innermost")


def draw(client: Client, source: str = CALLING, query: str = "") -> str:
    answer: Any = client.post(f"/ui/flows/check{query}", source, content_type="text/plain").json()
    return str(answer["picture"])


def test_a_call_opens_and_closes_by_its_button(alice: Client, flow: Flow, called: None) -> None:
    closed, opened = draw(alice), draw(alice, query="?panel=topology&open=call")

    assert 'href="?open=call"' in closed and 'id="n-call/prepare"' not in closed
    assert 'id="n-call/prepare"' in opened and 'href="?panel=topology"' in opened


def test_a_call_opens_to_what_runs_and_not_to_a_draft_on_top_of_it(alice: Client, flow: Flow) -> None:
    operations.save_flow(INNER, at=AT)
    operations.save_flow(INNER.replace("id: prepare", "id: sketched"), at=AT, draft=True)

    picture = draw(alice, query="?open=call")

    assert 'id="n-call/prepare"' in picture and "sketched" not in picture


def test_a_click_on_a_task_of_a_called_flow_leads_to_the_call(alice: Client, flow: Flow, called: None) -> None:
    line = CALLING[: CALLING.index("  - id: call")].count("\n") + 1

    picture = draw(alice, query="?open=call")

    assert f'data-task="call/prepare" data-line="{line}"' in picture


def test_calls_inside_calls_open_too_within_their_queries(alice: Client, flow: Flow, called: None) -> None:
    names = ["call/deeper/again", "call", "call/deeper", "nothing", "hello", "call/deeper/again/again", "x/y"]
    with CaptureQueriesContext(connection) as queries:
        picture = draw(alice, query=f"?open={'&open='.join(names)}")

    assert 'id="n-call/deeper/last"' in picture
    assert len(queries) <= 15


def test_the_page_opens_with_the_picture_that_its_address_names(alice: Client, called: None) -> None:
    save_flow(CALLING)

    page = alice.get(f"/ui/flows/edit/{NAMESPACE}/{FLOW_ID}/edit?open=call&fold=each").content.decode()

    assert 'id="n-call/prepare"' in page and 'id="n-say"' not in page


def test_a_group_is_folded_and_shown_again(alice: Client, flow: Flow) -> None:
    shown, folded = draw(alice, SOURCE), draw(alice, SOURCE, "?fold=each")

    assert 'id="n-say"' in shown and 'href="?fold=each"' in shown
    assert 'id="n-say"' not in folded


def test_the_groups_of_a_very_long_text_can_be_unfolded_one_by_one(alice: Client, flow: Flow) -> None:
    source = SOURCE + "# more\n" * 2001

    assert 'id="n-say"' not in draw(alice, source)
    assert 'id="n-say"' in draw(alice, source, "?unfold=each")


def test_a_flow_that_is_not_for_the_reader_stays_closed(flow: Flow, called: None) -> None:
    stranger = Client()
    stranger.force_login(User.objects.create_user("charlie@example.org"))
    stranger.cookies["look"] = "theme=system"

    assert "prepare" not in draw(stranger, query="?open=call")
