"""The admin in a real browser: every model's list, adding, changing, deleting and actions; and what staff without rights sees."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browsing import Watched, watch
from tests.e2e.seeding import API, ENDED, find_credentials, send, start_execution, wait_for_state
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.e2e

NAMESPACE = "e2e.admin"
FLOW = """id: managed
namespace: e2e.admin
tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: hello
"""


@pytest.fixture(scope="module")
def managed(running_system: SystemProcess) -> str:
    """A flow with one execution; the execution's path."""
    send(running_system, "POST", "/flows", FLOW)
    execution = start_execution(running_system, f"{NAMESPACE}/managed")
    wait_for_state(running_system, execution, *ENDED)
    return execution


def test_every_model_has_a_list_that_opens(console: Watched, managed: str) -> None:
    console.open("/admin/")
    page = console.page
    links = {
        str(link.get_attribute("href"))
        for link in page.locator("a[href^='/admin/']").all()
        if re.fullmatch(r"/admin/\w+/\w+/", str(link.get_attribute("href")))
    }
    assert len(links) > 15
    faults = []
    for address in sorted(links):
        answer = console.open(address)
        if answer is None or answer.status != 200:
            faults.append(f"{address}: {answer and answer.status}")
        faults += [f"{address}: {fault}" for fault in console.take_faults()]

    assert faults == []


def test_a_key_is_added_changed_and_deleted(console: Watched, running_system: SystemProcess, managed: str) -> None:
    page = console.page
    console.open("/admin/flows/keyvalue/add/")
    page.fill("[name=namespace]", NAMESPACE)
    page.fill("[name=key]", "by_admin")
    page.locator("[name=value], [name=text]").first.fill('"first"')
    page.locator("[name=_save]").first.click()
    eventually(lambda: send(running_system, "GET", f"/namespaces/{NAMESPACE}/kv/by_admin")["value"] == "first")

    console.open("/admin/flows/keyvalue/")
    page.locator("#result_list tr", has_text="by_admin").first.locator("a").first.click()
    page.locator("[name=value], [name=text]").first.fill('"second"')
    page.locator("[name=_save]").first.click()
    eventually(lambda: send(running_system, "GET", f"/namespaces/{NAMESPACE}/kv/by_admin")["value"] == "second")

    console.open("/admin/flows/keyvalue/")
    page.locator("#result_list tr", has_text="by_admin").first.locator("a").first.click()
    page.locator("a[href$='/delete/']:visible").first.click()
    page.locator("form[method=post] [type=submit]:visible").last.click()
    gone = f"{API}/namespaces/{NAMESPACE}/kv/by_admin"
    eventually(lambda: running_system.call("GET", gone, None, find_credentials(running_system))[0] == 404)
    assert console.faults == []


def test_flows_are_disabled_by_an_action(console: Watched, running_system: SystemProcess, managed: str) -> None:
    send(running_system, "POST", "/flows", FLOW.replace("managed", "to_disable"))
    console.open("/admin/flows/flow/?q=to_disable")
    page = console.page
    page.locator("#result_list input.action-select").first.check()
    page.locator("select[name=action]").first.select_option("disable")
    page.locator("button[name=index], button[title*='Run'], form#changelist-form button[type=submit]").first.click()

    eventually(lambda: send(running_system, "GET", f"/flows/{NAMESPACE}/to_disable").get("disabled") is True)


def test_an_execution_is_replayed_by_an_action(console: Watched, running_system: SystemProcess, managed: str) -> None:
    send(running_system, "POST", "/flows", FLOW.replace("managed", "to_replay"))
    wait_for_state(running_system, start_execution(running_system, f"{NAMESPACE}/to_replay"), "SUCCESS")
    console.open("/admin/flows/execution/")
    page = console.page
    page.locator("#result_list tr", has_text="to_replay").first.locator("input.action-select").check()
    page.locator("select[name=action]").first.select_option("replay")
    page.locator("button[name=index], button[title*='Run'], form#changelist-form button[type=submit]").first.click()

    query = "/executions/search?filters[flowId][EQUALS]=to_replay&size=5"
    eventually(lambda: send(running_system, "GET", query)["total"] == 2)


def test_history_is_for_reading_only(console: Watched, managed: str) -> None:
    page = console.page
    for model in ("taskrun", "logentry", "auditentry"):
        answer = console.open(f"/admin/flows/{model}/add/")
        assert answer is not None and answer.status == 403, model
    console.open(f"/admin/flows/execution/{managed.rpartition('/')[2]}/change/")

    expect(page.locator("[name=_save]")).to_have_count(0)
    expect(page.locator("main, #content, #main").first).to_contain_text(managed.rpartition("/")[2])


def test_console_and_admin_lead_to_each_other(console: Watched, managed: str) -> None:
    console.open(f"executions/{managed}")
    page = console.page
    page.locator("#live-acts details.pick summary").first.click()
    page.get_by_role("link", name="Open in administration").click()
    expect(page).to_have_url(re.compile("/admin/flows/execution/"))
    page.locator("a[href*='/ui/']", has_text=re.compile("console", re.IGNORECASE)).first.click()

    expect(page).to_have_url(re.compile(f"/ui/(executions/{managed}|e/)"))


def test_the_admin_follows_the_console_s_session_and_rights(browser: Browser, running_system: SystemProcess) -> None:
    stranger = {"email": "nobody@example.org", "firstName": "No", "lastName": "Body", "password": "Correct-horse-3"}
    send(running_system, "POST", "/users", stranger)
    watched = watch(browser.new_context(), running_system.base_url)
    watched.open("login")
    watched.page.fill("#username", "nobody@example.org")
    watched.page.fill("#password", "Correct-horse-3")
    watched.page.click("button.primary")
    expect(watched.page.locator("nav.nav")).to_have_count(1)
    answer = watched.open("/admin/flows/execution/")

    assert answer is not None
    assert answer.status in (403, 404) or "/login" in watched.page.url
    expect(watched.page.locator("#result_list")).to_have_count(0)
    watched.page.context.close()
