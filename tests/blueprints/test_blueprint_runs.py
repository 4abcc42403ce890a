"""Every blueprint that needs nothing from outside runs on a whole system. All start at once; the tests look at the ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from flows.operations.blueprints import place_source
from flows.queries.blueprints import BlueprintEntry, get_any_blueprint, list_blueprints
from tests.acceptance.runs import Run
from tests.acceptance.workspace import Workspace
from tests.blueprints.site import PRODUCTS, RATES, Site
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.system

NAMESPACE = "blueprints.catalogue"
# What needs a person, a caller or a file to begin or to end has a test of its own.
DRIVEN = {"ask_before_release", "ask_for_details", "import_batch"}
# Certificates can only be read from hosts of the outer world.
OUTSIDE = {"certificate_days"}


def _runs_here(entry: BlueprintEntry) -> bool:
    """Tell whether nothing is missing here: packages come from an index that tests do not ask."""
    kinds = {need.kind for need in entry.needs}
    programs = [need.text for need in entry.needs if need.kind == "program"]
    return "package" not in kinds and entry.id not in OUTSIDE and all(shutil.which(program) for program in programs)


FLOWS = [entry for entry in list_blueprints() if _runs_here(entry)]
STARTED = [entry.id for entry in FLOWS if entry.id not in DRIVEN]
ENDS = {"retry_backoff": "WARNING", "fallback_source": "WARNING"}


def _inputs_of(site: Site) -> dict[str, dict[str, Any]]:
    """Return the inputs that lead blueprints to our own site instead of the ones of the outer world."""
    return {
        "api_pages": {"base_url": site.url, "size": 3},
        "api_cursor": {"start": f"{site.url}/names"},
        "api_job": {"base_url": site.url, "every": "PT0.2S"},
        "api_token": {"base_url": site.url},
        "download_verified": {"url": f"{site.url}/rates.csv"},
        "gentle_calls": {"base_url": site.url, "pause": "PT0.05S"},
        "alert_on_failure": {"webhook": f"{site.url}/hook"},
        "fallback_source": {"primary": f"{site.url}/broken", "mirror": f"{site.url}/rates.csv"},
        "exchange_rates": {"base_url": site.url, "prices": "[10, 25.5]"},
        "site_health": {"sites": json.dumps([f"{site.url}/well"])},
    }


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The services of the outer world, played by a server of this test."""
    server = Site()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def space(running_system: SystemProcess) -> Iterator[Workspace]:
    """A namespace that holds every blueprint."""
    workspace = Workspace(running_system, NAMESPACE)
    workspace.call("PUT", f"/namespaces/{NAMESPACE}/secrets", {"key": "API_CLIENT_SECRET", "value": "open-sesame"})
    for entry in FLOWS:
        workspace.save(place_source(entry, NAMESPACE))
    yield workspace
    workspace.remove()


@pytest.fixture(scope="module")
def started(space: Workspace, site: Site) -> Mapping[str, str]:
    """The execution of each blueprint, all started at once."""
    inputs = _inputs_of(site)
    return {name: space.start(name, inputs.get(name)) for name in STARTED}


def _end_of(space: Workspace, started: Mapping[str, str], name: str) -> Run:
    return space.wait_for(started[name], within=90)


@pytest.mark.parametrize("name", STARTED)
def test_a_blueprint_runs_to_its_end(space: Workspace, started: Mapping[str, str], name: str) -> None:
    run = _end_of(space, started, name)

    assert run.state == ENDS.get(name, "SUCCESS"), [message for level, message in space.logs(run.id) if level != "INFO"]


OUTPUTS = {
    "hello_inputs": {"greeting": "Hello Ada!"},
    "dynamic_inputs": {"plan": "small server, local"},
    "price_order": {"gross": 119.0},
    "call_a_flow": {"gross": 691.2},
    "fan_out": {"longest": "lighthouse"},
    "csv_to_json": {"rows": 2},
    "python_report": {"best": "Lyon"},
    "clean_rows": {"dropped": 2},
    "namespace_library": {"net": 100.0},
    "high_water_mark": {"rows": 5},
    "orders_to_postgres": {"rows": 4, "best": "Ada"},
    "history_table": {"rows": 1, "city": "London"},
    "table_to_csv": {"rows": 1000},
    "rows_from_file": {"read": 20},
    "sqlite_report": {"rows": 3},
    "invoice_reminders": {"overdue": 2, "sum": 200.0},
    "error_digest": {"lines": 1},
    "api_pages": {"pages": 3},
    "gentle_calls": {"failed": 0},
    "exchange_rates": {"prices": "15.00 38.25"},
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_blueprint_computes_what_it_promises(space: Workspace, started: Mapping[str, str], name: str) -> None:
    outputs = _end_of(space, started, name).outputs or {}

    assert {key: outputs.get(key) for key in OUTPUTS[name]} == OUTPUTS[name]


def test_files_of_blueprints_hold_their_rows(space: Workspace, started: Mapping[str, str]) -> None:
    pages = _end_of(space, started, "api_pages")
    joined = _end_of(space, started, "split_and_join")
    report = _end_of(space, started, "python_report")

    rows = space.read_file(pages.id, (pages.outputs or {})["rows"]).split()
    assert sorted(rows) == [f'{{"id":{number}}}' for number in range(PRODUCTS)]
    assert space.read_file(joined.id, (joined.outputs or {})["joined"]).splitlines() == [f"LINE {n}" for n in range(1, 10)]
    assert "| Lyon | 42.50 |" in space.read_file(report.id, (report.outputs or {})["report"])


def test_the_second_source_is_used_when_the_first_is_broken(space: Workspace, started: Mapping[str, str]) -> None:
    run = _end_of(space, started, "fallback_source")

    assert space.read_file(run.id, (run.outputs or {})["rates"]) == RATES


def test_following_the_next_link_finds_every_name(space: Workspace, started: Mapping[str, str]) -> None:
    run = _end_of(space, started, "api_cursor")

    assert space.wait_for_log(run.id, "3 pages, 3 names")


def test_a_second_incremental_load_finds_nothing_new(space: Workspace, started: Mapping[str, str]) -> None:
    _end_of(space, started, "high_water_mark")

    again = space.wait_for(space.start("high_water_mark"))

    assert again.outputs == {"rows": 0}


def test_the_history_of_a_customer_grows_with_a_new_city(space: Workspace, started: Mapping[str, str]) -> None:
    _end_of(space, started, "history_table")

    moved = space.wait_for(space.start("history_table", {"city": "Paris"}))
    stayed = space.wait_for(space.start("history_table", {"city": "Paris"}))

    assert (moved.outputs, stayed.outputs) == ({"rows": 2, "city": "Paris"}, {"rows": 2, "city": "Paris"})


def test_a_failure_sends_the_alert_with_its_reason(space: Workspace, started: Mapping[str, str], site: Site) -> None:
    _end_of(space, started, "alert_on_failure")

    run = space.wait_for(space.start("alert_on_failure", {"webhook": f"{site.url}/hook", "outcome": "fail"}))

    [message] = [json.loads(body)["text"] for path, body in site.posted if path == "/hook"]
    assert run.state == "FAILED"
    assert "no disk space" in message and run.id in message


def test_a_site_that_is_down_is_named(space: Workspace, site: Site) -> None:
    sites = json.dumps([f"{site.url}/well", f"{site.url}/ill"])

    run = space.wait_for(space.start("site_health", {"sites": sites}))

    assert run.state == "FAILED"
    assert space.wait_for_log(run.id, f"Not healthy: {site.url}/ill")


def test_a_late_run_is_marked(space: Workspace) -> None:
    run = space.wait_for(space.start("time_limits", {"length": "PT3S"}))

    assert (run.state, run.labels.get("sla")) == ("SUCCESS", "missed")


@pytest.mark.parametrize(("decision", "task"), [("APPROVED", "publish"), ("DENIED", "withdraw")])
def test_a_release_goes_the_way_that_was_decided(space: Workspace, decision: str, task: str) -> None:
    execution_id = space.start("ask_before_release")
    space.wait_for(execution_id, "PAUSED")

    space.act(execution_id, "review", {"decision": decision, "comment": "because"})

    run = space.wait_for(execution_id)
    assert (run.state, run.states(task)) == ("SUCCESS", ["SUCCESS"])


def test_a_small_expense_passes_and_a_large_one_waits_for_details(space: Workspace) -> None:
    small = space.wait_for(space.start("ask_for_details", {"amount": 20}))
    large = space.start("ask_for_details", {"amount": 500})
    space.wait_for(large, "PAUSED")

    space.call("POST", f"/executions/{large}/actions/resume", {"accepted": True, "cost_centre": "research"})

    assert small.state == space.wait_for(large).state == "SUCCESS"
    assert space.wait_for_log(large, "booked on research")


def test_batches_are_imported_by_the_other_flow(space: Workspace, started: Mapping[str, str]) -> None:
    run = _end_of(space, started, "import_in_batches")

    batches = space.wait_for_executions("import_batch", 3)

    assert run.state == "SUCCESS"
    assert sorted((batch.outputs or {})["rows"] for batch in batches) == [2, 4, 4]


def test_a_call_of_the_webhook_books_an_order_and_others_do_not(space: Workspace, started: Mapping[str, str]) -> None:
    _end_of(space, started, "webhook_orders")
    address = f"/executions/webhook/{NAMESPACE}/webhook_orders/choose-a-long-random-key-of-your-own"

    status, _ = space.status_of("POST", address, {"kind": "greeting"})
    answer = space.call("POST", address, {"kind": "order", "customer": "Grace", "total": 12.5})

    assert status == 204
    assert space.wait_for(answer["id"]).inputs == {"customer": "Grace", "total": 12.5}


def test_the_join_starts_after_both_flows(space: Workspace, started: Mapping[str, str]) -> None:
    by_hand = _end_of(space, started, "after_two_flows")
    log = {"id": "log", "type": "io.kestra.plugin.core.log.Log", "message": "loaded"}
    for name in ("orders", "customers"):
        space.wait_for(space.start(space.load(name, tasks=[log])["id"]))

    def find_triggered() -> list[Run]:
        return [run for run in space.executions_of("after_two_flows") if run.id != by_hand.id]

    [triggered] = eventually(find_triggered, within=20)
    assert space.wait_for(triggered.id).state == "SUCCESS"


def test_the_schedule_is_on_again_after_the_maintenance(space: Workspace, started: Mapping[str, str]) -> None:
    run = _end_of(space, started, "maintenance_switch")

    assert run.summary()["switch_on"] == "SUCCESS"
    assert not space.trigger_state("nightly_backfill", "every_night")["disabled"]


def test_a_blueprint_is_placed_in_another_namespace_with_the_flows_that_it_names() -> None:
    placed = place_source(get_any_blueprint("after_two_flows"), "elsewhere.here")

    assert "company.team" not in placed
    assert placed.count("namespace: elsewhere.here") == 3
