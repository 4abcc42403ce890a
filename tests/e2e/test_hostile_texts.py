"""Texts that try to become script, in every field that people or flows fill, opened in a real browser. Source: security, S-40."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlencode, urljoin

import pytest
from django.contrib import admin
from playwright.sync_api import Browser, expect

from tests.e2e.browsing import Watched, set_source, sign_in, watch
from tests.e2e.hostile import NAMESPACE, PAYLOADS, Pages, fill, offer, run_inside
from tests.e2e.hostile_rows import BY_CALLS, BY_ROWS, NEVER, list_text_fields
from tests.e2e.seeding import API
from tests.support.system_process import SystemProcess
from tests.support.systems import started_system

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

TRAP = """window.ran = (number) => { console.error(`payload ${number} ran`); };"""
STIR = """() => {
  // A person's hand: over everything, into everything that takes the focus, and all that is folded opened.
  for (const node of document.querySelectorAll("details")) node.open = true;
  for (const node of document.querySelectorAll("main *")) {
    for (const name of ["mouseover", "pointerenter", "focus"]) node.dispatchEvent(new Event(name, { bubbles: true }));
  }
}"""
COUNT = """() => {
  // What a reader finds: words of the page, values of fields, and what appears when the pointer rests.
  const found = [document.body.textContent];
  for (const node of document.querySelectorAll("[title], [aria-label], [data-copy], input, textarea, select")) {
    found.push(node.title, node.getAttribute("aria-label"), node.dataset.copy, node.value);
  }
  return new Set([...found.join("\\n").matchAll(/ran\\((\\d+)\\)/g)].map((match) => match[1])).size;
}"""
SHOWN_IN_ADMIN = {
    "account": 1, "apitoken": 1, "auditentry": 5, "binding": 1, "blueprint": 1, "bulkjob": 0, "bulkresult": 5, "cachedresult": 1,
    "dashboard": 5, "execution": 1, "firing": 5, "flow": 5, "flowrevision": 1, "flowtriggerwindow": 5, "group": 1,
    "idempotencykey": 5, "keyvalue": 20, "logentry": 5, "metric": 5, "namespace": 5, "namespacefile": 20, "role": 5, "secret": 5,
    "taskrun": 1, "templaterevision": 1, "triggerstate": 5, "user": 0, "usersession": 1, "webhookevent": 5, "worker": 5,
}  # fmt: skip
"""How many texts a reader finds at least on the list of a model, or on the page of its first row."""


@pytest.fixture(scope="module")
def system() -> Iterator[SystemProcess]:
    """A system of its own: what is stored here would spoil the pages that other tests look at."""
    with started_system(CELESTRA_TEMPLATES_ENABLED="true") as started:
        yield started


@pytest.fixture(scope="module")
def hostile(system: SystemProcess) -> Pages:
    """The texts are everywhere in the system; the pages that show them."""
    return fill(system)


@pytest.fixture
def trapped(browser: Browser, system: SystemProcess) -> Iterator[Watched]:
    """A signed-in page in which every call of a payload is heard."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(TRAP)
    watched = watch(context, system.base_url)
    watched.page.on("dialog", lambda dialog: (watched.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    sign_in(watched, system)
    yield watched
    context.close()


def test_every_field_with_text_is_filled_or_says_why_not() -> None:
    """A guard: a new field of a model is hostile here, or somebody says why nobody can make it so."""
    fields = dict(list_text_fields())
    excused = {name for names in NEVER.values() for name in names}

    assert sorted(name for name in fields if name not in BY_CALLS | BY_ROWS and name.partition(".")[2] not in excused) == []
    assert sorted((BY_CALLS | BY_ROWS) - fields.keys()) == []


def test_the_texts_are_really_stored(system: SystemProcess, hostile: Pages) -> None:
    counts = json.loads(run_inside(system, "count"))

    assert sorted(name for name in BY_CALLS | BY_ROWS if not counts[name]) == []


def test_no_text_becomes_script_on_any_page_that_shows_it(trapped: Watched, hostile: Pages) -> None:
    faults = []
    for path, least in hostile.items():
        answer = trapped.open(path)
        if answer is None or answer.status != 200:
            faults.append(f"{path}: status {answer and answer.status}")
            continue
        trapped.page.evaluate(STIR)
        shown = trapped.page.evaluate(COUNT)
        if shown < least:
            faults.append(f"{path}: shows {shown} texts, at least {least} are expected")
        faults += [f"{path}: {fault}" for fault in trapped.take_faults()]

    assert "\n".join(faults) == ""


def test_no_text_becomes_script_in_the_admin(trapped: Watched, hostile: Pages) -> None:
    faults = []
    for model in sorted(admin.site._registry, key=lambda model: model.__name__):
        name = str(model._meta.model_name)
        path = f"/admin/{model._meta.app_label}/{name}/"
        answer, shown = trapped.open(path), 0
        if answer is None or answer.status != 200:
            faults.append(f"{path}: status {answer and answer.status}")
            continue
        trapped.page.evaluate(STIR)
        shown = trapped.page.evaluate(COUNT)
        first = trapped.page.locator("#result_list th a, #result_list td a").first
        if first.count():
            answer = trapped.page.goto(urljoin(trapped.page.url, str(first.get_attribute("href"))))
            if answer is None or answer.status != 200:
                faults.append(f"{trapped.page.url}: status {answer and answer.status}")
            trapped.page.evaluate(STIR)
            shown = max(shown, trapped.page.evaluate(COUNT))
        if shown < SHOWN_IN_ADMIN.get(name, 0):
            faults.append(f"{path}: shows {shown} texts, at least {SHOWN_IN_ADMIN[name]} are expected")
        # The theme of the admin loads what a page of it lacks; only what runs is our matter there.
        faults += [f"{path}: {fault}" for fault in trapped.take_faults() if "payload" in fault or "dialog" in fault]

    assert "\n".join(faults) == ""


def test_names_that_addresses_are_made_of_take_no_such_text(system: SystemProcess, hostile: Pages) -> None:
    task = {"id": "a", "type": "io.kestra.plugin.core.log.Log", "message": "x"}
    trigger = {"id": "t", "type": "io.kestra.plugin.core.trigger.Webhook", "key": "k"}
    flow = {"id": "named", "namespace": NAMESPACE, "tasks": [task], "triggers": [trigger]}
    accepted = []
    for text in PAYLOADS[::4]:
        documents = {
            "flow id": {**flow, "id": text},
            "namespace": {**flow, "namespace": text},
            "task id": {**flow, "tasks": [{**task, "id": text}]},
            "task type": {**flow, "tasks": [{**task, "type": text}]},
            "trigger id": {**flow, "triggers": [{**trigger, "id": text}]},
            "input id": {**flow, "inputs": [{"id": text, "type": "STRING"}]},
            "output id": {**flow, "outputs": [{"id": text, "type": "STRING", "value": "x"}]},
        }
        statuses = {name: offer(system, f"{API}/flows", json.dumps(document)) for name, document in documents.items()}
        statuses["group"] = offer(system, f"{API}/groups", {"name": text})
        statuses["role"] = offer(system, f"{API}/roles", {"name": text, "permissions": {}})
        statuses["e-mail"] = offer(system, f"{API}/users", {"email": text, "firstName": "a", "lastName": "b"})
        statuses["service account"] = offer(system, f"{API}/service-accounts", {"name": text})
        statuses["new namespace"] = offer(system, f"{API}/namespaces", {"id": text})
        accepted += [f"{name} {text}: {status}" for name, status in statuses.items() if not 400 <= status < 500]

    assert accepted == []


def test_the_editor_says_what_is_wrong_with_hostile_names_and_runs_none(trapped: Watched, hostile: Pages) -> None:
    trapped.open("flows/new")
    page = trapped.page
    for text in PAYLOADS[::20]:
        source = {
            "id": text,
            "namespace": text,
            "tasks": [{"id": text, "type": text, "message": text}],
            "triggers": [{"id": text, "type": text}],
        }
        set_source(page, json.dumps(source, indent=1))
        expect(page.locator(".ace_gutter-cell.ace_error").first).to_be_visible()
        page.evaluate(STIR)

    assert trapped.take_faults() == []


def test_a_hostile_address_is_answered_with_a_quiet_page(trapped: Watched) -> None:
    faults = []
    for payload in PAYLOADS[::5]:
        trapped.open("executions?" + urlencode(dict.fromkeys(("q", "namespace", "label", "state"), payload)))
        faults += [f"{payload}: {fault}" for fault in trapped.take_faults() if "status of 4" not in fault]

    assert "\n".join(faults) == ""


def test_the_trap_hears_what_does_run(trapped: Watched) -> None:
    """A guard of this module: a text that a page did let through is noticed."""
    trapped.open("settings")
    trapped.page.evaluate("ran(7)")

    assert [fault.partition(" (")[0] for fault in trapped.faults] == ["console: payload 7 ran"]
