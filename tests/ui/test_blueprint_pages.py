"""The gallery of blueprints, the page of each, and what can be done there."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from flows.models import Blueprint, Execution, Flow
from flows.operations.blueprints import BlueprintDraft, create_blueprint
from flows.operations.namespaces import set_secret
from flows.queries.blueprints import list_blueprints
from tests.blueprints.texts import TEMPLATE
from tests.ui.conftest import AT, SOURCE

EVERY_ID = [one.id for kind in ("flow", "dashboard") for one in list_blueprints(kind=kind)]


def _save_template(source: str = TEMPLATE) -> str:
    return create_blueprint(BlueprintDraft("A template", source, "Fill me in.", []), at=AT).id


def test_a_template_asks_for_its_arguments_and_becomes_a_flow(alice: Client) -> None:
    address = f"/ui/blueprints/{_save_template()}"

    page = alice.get(address).content.decode()
    fields = {"in.name": "two_steps", "in.steps": ["load", "check"], "namespace": "company.shop"}
    answer = alice.post(f"{address}/fill", fields)

    assert 'name="in.name"' in page and "Fill in and use" in page
    assert answer["Location"].startswith("/ui/flows/edit/company.shop/two_steps")
    source = Flow.objects.get().revisions.get().source
    assert 'message: "{{ flow.id }} does CHECK"' in source and "namespace: company.shop" in source


def test_a_filled_template_opens_in_the_editor_without_being_saved(alice: Client) -> None:
    address = f"/ui/blueprints/{_save_template()}"

    answer = alice.post(f"{address}/fill", {"in.name": "shown", "then": "edit"}, follow=True)

    assert "id: shown" in answer.content.decode() and not Flow.objects.exists()


def test_a_template_without_a_needed_value_says_so_at_the_field(alice: Client) -> None:
    answer = alice.post(f"/ui/blueprints/{_save_template()}/fill", {})

    assert answer.status_code == 422 and 'class="error"' in answer.content.decode()
    assert not Flow.objects.exists()


def test_a_blueprint_says_what_is_missing_until_it_is_there(alice: Client) -> None:
    entry = next(one for one in list_blueprints() if any(need.kind == "secret" for need in one.needs))
    key = next(need.text for need in entry.needs if need.kind == "secret")
    before = alice.get(f"/ui/blueprints/{entry.id}").content.decode()

    set_secret("company", key, "a-value-of-it", at=AT)

    after = alice.get(f"/ui/blueprints/{entry.id}").content.decode()
    assert "missing here" in before and "is there" not in before
    assert "missing here" not in after and "is there" in after


def test_an_own_blueprint_with_an_unknown_plugin_is_marked(alice: Client, flow: Flow) -> None:
    entry = create_blueprint(BlueprintDraft("Strange", SOURCE, "", []), at=AT)
    Blueprint.objects.filter(pk=entry.id).update(included_tasks=["io.example.plugin.NotThere"])

    assert "NotThere is missing" in alice.get("/ui/blueprints", {"kind": "own"}).content.decode()


def test_the_gallery_shows_some_first_and_every_blueprint_on_demand(alice: Client) -> None:
    first = alice.get("/ui/blueprints").content.decode()
    page = alice.get("/ui/blueprints", {"show": "500"}).content.decode()

    assert first.count('<article class="bp">') == 24 and "Show more" in first
    assert "Show more" not in page

    assert page.count('<article class="bp">') == len(EVERY_ID)
    assert page.count('class="thumb"') == len(list_blueprints())


def test_the_gallery_is_searched_by_words_tag_and_kind(alice: Client) -> None:
    by_word = alice.get("/ui/blueprints", {"q": "parquet"}).content.decode()
    by_tag = alice.get("/ui/blueprints", {"tag": "approval"}).content.decode()
    dashboards = alice.get("/ui/blueprints", {"kind": "dashboard"}).content.decode()
    nothing = alice.get("/ui/blueprints", {"q": "zeppelin"}).content.decode()

    assert "csv_to_parquet" in by_word and "hello_inputs" not in by_word
    assert by_tag.count('<article class="bp">') == len(list_blueprints(tags=["approval"]))
    assert dashboards.count('<article class="bp">') == 1
    assert "Nothing matches" in nothing


def test_the_page_of_every_blueprint_opens(alice: Client) -> None:
    for blueprint_id in EVERY_ID:
        answer = alice.get(f"/ui/blueprints/{blueprint_id}")

        assert answer.status_code == 200, blueprint_id


def test_a_page_shows_text_needs_and_the_form(alice: Client) -> None:
    page = alice.get("/ui/blueprints/call_a_flow").content.decode()

    assert '<span class="y-k">flowId</span>' in page
    assert "/ui/blueprints/price_order" in page
    assert 'name="in.country"' in page and "Save and run" in page


def test_an_unknown_blueprint_is_not_found(alice: Client) -> None:
    assert alice.get("/ui/blueprints/nope").status_code == 404
    assert alice.post("/ui/blueprints/nope/run").status_code == 404
    assert alice.get("/ui/flows/new", {"blueprint": "nope"}).status_code == 404


def test_the_editor_opens_with_the_text_of_a_blueprint(alice: Client) -> None:
    page = alice.get("/ui/flows/new", {"blueprint": "hello_inputs", "namespace": "company.other"}).content.decode()

    assert "id: hello_inputs" in page and "namespace: company.other" in page


def test_running_a_blueprint_saves_its_flow_and_the_one_it_calls(alice: Client, broker_url: str) -> None:
    answer = alice.post("/ui/blueprints/call_a_flow/run", {"namespace": "company.shop", "in.net": "10", "in.country": "IT"})

    execution = Execution.objects.get()
    assert answer.status_code == 302 and execution.id in answer["Location"]
    assert (execution.namespace, execution.flow_id, execution.inputs["country"]) == ("company.shop", "call_a_flow", "IT")
    assert set(Flow.objects.values_list("namespace", "flow_id")) == {
        ("company.shop", "call_a_flow"),
        ("company.shop", "price_order"),
    }


def test_running_a_blueprint_twice_makes_no_new_revision(alice: Client, broker_url: str) -> None:
    for _ in range(2):
        alice.post("/ui/blueprints/hello_inputs/run", {"namespace": "company.team"})

    assert Flow.objects.get().revision == 1
    assert Execution.objects.count() == 2


def test_a_flow_of_the_same_name_is_not_overwritten(alice: Client, flow: Flow) -> None:
    Flow.objects.filter(pk=flow.pk).update(flow_id="hello_inputs")

    answer = alice.post("/ui/blueprints/hello_inputs/run", {"namespace": "company.team"})

    assert answer.status_code == 409 and "another flow with the name" in answer.content.decode()
    assert Flow.objects.get().revision == 1 and not Execution.objects.exists()


def test_wrong_inputs_are_shown_at_their_fields(alice: Client) -> None:
    answer = alice.post("/ui/blueprints/choose_a_way/run", {"namespace": "company.team", "in.weight": "-4"})

    assert answer.status_code == 422
    assert 'class="error"' in answer.content.decode()
    assert not Flow.objects.exists()


@pytest.mark.parametrize("namespace", ["No Such", "../x", "a b"])
def test_a_namespace_that_cannot_be_is_refused(alice: Client, namespace: str) -> None:
    assert alice.post("/ui/blueprints/hello_inputs/run", {"namespace": namespace}).status_code == 422
    assert not Flow.objects.exists()


def test_a_flow_is_kept_changed_and_deleted_as_a_blueprint(alice: Client, flow: Flow) -> None:
    kept = alice.post(f"/ui/flows/edit/{flow.namespace}/{flow.flow_id}/keep", {"title": "My daily", "tags": "etl, own"})
    row = Blueprint.objects.get()
    page = alice.get(f"/ui/blueprints/{row.id}").content.decode()
    alice.post(f"/ui/blueprints/{row.id}/act/edit", {"title": "Renamed", "tags": ""})
    renamed = Blueprint.objects.get()
    alice.post(f"/ui/blueprints/{row.id}/act/delete")

    assert kept.status_code == 302 and row.id in kept["Location"]
    assert (row.title, row.tags, row.source) == ("My daily", ["etl", "own"], SOURCE)
    assert "saved by alice@example.org" in page and "Delete blueprint" in page
    assert (renamed.title, renamed.tags, renamed.source) == ("Renamed", [], SOURCE)
    assert not Blueprint.objects.exists()


def test_a_flow_page_offers_to_keep_the_flow(alice: Client, flow: Flow) -> None:
    assert "Save as blueprint" in alice.get(f"/ui/flows/edit/{flow.namespace}/{flow.flow_id}").content.decode()


def test_marks_in_a_blueprint_are_shown_and_not_obeyed(alice: Client) -> None:
    source = SOURCE.replace("hello {{", "<script>alert(1)</script> {{")
    entry = create_blueprint(BlueprintDraft("<b>bold</b>", source, "<script>x</script>", ["<i>"]), at=AT)

    for address in ("/ui/blueprints", f"/ui/blueprints/{entry.id}"):
        page = alice.get(address).content.decode()
        assert "<script>alert" not in page and "<script>x" not in page and "<b>bold" not in page and "<i>" not in page


def test_the_welcome_offers_five_blueprints(alice: Client) -> None:
    page = alice.get("/ui/welcome").content.decode()

    assert page.count('<article class="bp">') == 5
    assert "All blueprints" in page


def test_a_dashboard_blueprint_opens_in_the_editor_of_dashboards(alice: Client) -> None:
    page = alice.get("/ui/blueprints/operations_overview").content.decode()
    editor = alice.get("/ui/dashboards/new", {"blueprint": "operations_overview"}).content.decode()

    assert "/ui/dashboards/new?blueprint=operations_overview" in page
    assert "Operations at a glance" in editor


def test_nobody_looks_into_a_namespace_through_a_blueprint(alice: Client) -> None:
    """The form renders defaults, which may read keys and secrets of the namespace that the text names."""
    source = SOURCE.replace("namespace: company.team", "namespace: finance").replace(
        "    type: STRING\n", "    type: STRING\n    defaults: \"{{ secret('PAYROLL') }}\"\n"
    )
    entry = create_blueprint(BlueprintDraft("Curious", source), at=AT)
    set_secret("finance", "PAYROLL", "ninety-thousand", at=AT)
    charlie = Client()
    charlie.force_login(User.objects.create_user("charlie@example.org", password="Correct-horse-1"))

    page = charlie.get(f"/ui/blueprints/{entry.id}").content.decode()
    tried = charlie.post(f"/ui/blueprints/{entry.id}/run", {"namespace": "finance"})

    assert "ninety-thousand" not in page and "Save and run" not in page
    assert tried.status_code in (403, 404) and "ninety-thousand" not in tried.content.decode()
    assert not Flow.objects.exists()
