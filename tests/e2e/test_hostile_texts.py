"""Texts that try to become script, in every field that people or flows fill, opened in a real browser. Source: security, S-40."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest
from django.apps import apps
from playwright.sync_api import Browser

from tests.e2e.browsing import Watched, sign_in, watch
from tests.e2e.payloads import group_payloads, list_payloads
from tests.e2e.seeding import API, ENDED, find_credentials, send, send_form, start_execution, wait_for_state
from tests.support.system_process import ROOT, SystemProcess
from tests.support.systems import make_home_folder

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

NAMESPACE = "hostile.texts"
PAYLOADS = list_payloads()
BLOCKS = group_payloads(20)
FILE_KINDS = ("html", "svg", "md", "txt", "json", "csv", "xml", "yaml", "log")
LOG, FAIL, WRITE = (f"io.kestra.plugin.core.{name}" for name in ("log.Log", "execution.Fail", "storage.Write"))
PYTHON = "io.kestra.plugin.scripts.python.Script"
WRITE_NAMED = """import json, os, zipfile
os.makedirs("made")
names = json.load(open("names.json"))
for number, name in enumerate(names):
    with open(f"made/{number} {name}.txt", "w") as file:
        file.write(name)
with zipfile.ZipFile("made/pack.zip", "w") as pack:
    for number, name in enumerate(names):
        pack.writestr(f"{number}/{name}.txt", "x")
"""
ADD_WORKERS = """
import json, sys
from django.utils import timezone
from flows.models.system import Worker
texts = json.load(open(%(file)r))
for number, text in enumerate(texts):
    Worker.objects.create(name=f"{number} {text}"[:200], host=text[:200], queues=[text], slots=1, started_at=timezone.now(),
                          seen_at=timezone.now())
"""
"""A worker names itself after its host, so no call could give it such a name."""
MARKDOWN = "io.kestra.plugin.core.dashboard.chart.Markdown"
TRAP = """window.ran = (number) => { console.error(`payload ${number} ran`); };"""
STIR = """() => {
  // A person's hand: over everything, into everything that takes the focus, and all that is folded opened.
  for (const node of document.querySelectorAll("details")) node.open = true;
  for (const node of document.querySelectorAll("main *")) {
    for (const name of ["mouseover", "pointerenter", "focus"]) node.dispatchEvent(new Event(name, { bubbles: true }));
  }
}"""


@pytest.fixture(scope="module")
def system() -> Iterator[SystemProcess]:
    """A system of its own: what is stored here would spoil the pages that other tests look at."""
    folder = make_home_folder()
    started = SystemProcess(folder / "home")
    try:
        yield started.start().wait_ready()
    finally:
        started.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def hostile(system: SystemProcess) -> dict[str, Any]:
    """A system with the texts everywhere, and the addresses of the pages that show them."""
    pages = _store_flows(system)
    _fill_namespace(system)
    pages += [f"namespaces/{NAMESPACE}{tab}" for tab in ("", "/kv", "/files", "/secrets", "/variables", "/flows", "/access")]
    pages += _write_dashboards_and_blueprints(system)
    pages += _invite_people(system)
    pages += _write_templates(system)
    pages += _add_workers(system)
    pages += _list_admin_pages()
    pages += [
        "",
        "flows",
        f"flows?namespace={NAMESPACE}",
        "executions",
        f"executions?namespace={NAMESPACE}",
        "namespaces",
        "inbox",
    ]
    pages += [
        "logs",
        f"logs?namespace={NAMESPACE}",
        "triggers",
        "audit",
        "flows/search?q=ran",
        "logs?q=%3Cscript%3Eran(1)%3C/script%3E",
    ]
    return {"pages": pages}


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


def test_no_text_becomes_script_on_any_page_that_shows_it(trapped: Watched, hostile: dict[str, Any]) -> None:
    faults = []
    for path in hostile["pages"]:
        answer = trapped.open(path)
        if path.startswith("/admin/") and answer is not None and answer.status == 404:
            continue
        assert answer is not None and answer.status < 400, (path, answer and answer.status)
        trapped.page.evaluate(STIR)
        if path.startswith("/admin/") and (first := _open_first(trapped)):
            trapped.page.goto(urljoin(trapped.page.url, first))
            trapped.page.evaluate(STIR)
        # The theme of the admin loads what a page of it lacks; only what runs is our matter there.
        heard = [
            fault for fault in trapped.take_faults() if not path.startswith("/admin/") or "payload" in fault or "dialog" in fault
        ]
        faults += [f"{path}: {fault}" for fault in heard]

    assert "\n".join(faults) == ""


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


def _store_flows(system: SystemProcess) -> list[str]:
    """Save flows with the texts in each property that takes any, run them, and return the addresses of their pages."""
    literal = [text.replace("{{", "{ {").replace("{%", "{ %") for text in PAYLOADS]
    texts: dict[str, Any] = {
        "id": "texts",
        "namespace": NAMESPACE,
        "description": BLOCKS[0],
        "labels": {f"label{n}": text for n, text in enumerate(PAYLOADS) if text.isprintable()},
        "variables": {text: text for text in PAYLOADS},
        "inputs": [
            {"id": f"in{n}", "type": "STRING", "displayName": text[:64], "description": text, "defaults": literal[n]}
            for n, text in enumerate(PAYLOADS)
        ],
        "tasks": [
            {"id": "say", "type": LOG, "message": literal, "description": BLOCKS[1]},
            *({"id": f"note{n}", "type": LOG, "message": "x", "description": block} for n, block in enumerate(BLOCKS)),
        ],
        "outputs": [
            {"id": f"out{n}", "type": "STRING", "displayName": text, "description": text, "value": literal[n]}
            for n, text in enumerate(PAYLOADS)
        ],
        "triggers": [
            {"id": "plan", "type": "io.kestra.plugin.core.trigger.Schedule", "cron": "0 0 1 1 *", "description": BLOCKS[2]}
        ],
    }
    send(system, "POST", "/flows", json.dumps(texts))
    values = {"id": "values", "namespace": NAMESPACE, "tasks": [
        {"id": "keys", "type": "io.kestra.plugin.core.output.OutputValues", "values": {text: text for text in literal}},
    ]}  # fmt: skip
    send(system, "POST", "/flows", json.dumps(values))
    files = {"id": "files", "namespace": NAMESPACE, "tasks": [
        {"id": f"write_{kind}", "type": WRITE, "extension": f".{kind}", "content": "\n".join(literal)} for kind in FILE_KINDS
    ]}  # fmt: skip
    send(system, "POST", "/flows", json.dumps(files))
    pages = [
        f"flows/edit/{NAMESPACE}/texts{tab}" for tab in ("", "/edit", "/execute", "/triggers", "/revisions", "/dependencies")
    ]
    named = {"id": "named", "namespace": NAMESPACE, "tasks": [
        {"id": "write", "type": PYTHON, "inputFiles": {"names.json": json.dumps(_list_names(literal))}, "script": WRITE_NAMED,
         "outputFiles": ["made/*"]},
    ]}  # fmt: skip
    send(system, "POST", "/flows", json.dumps(named))
    _save_revisions(system, values)
    found = {name: start_execution(system, f"{NAMESPACE}/{name}") for name in ("texts", "values", "files", "named")}
    found["labelled"] = start_execution(
        system, f"{NAMESPACE}/values", "?" + urlencode([("labels", f"l{n}:{text}") for n, text in enumerate(PAYLOADS[::5])])
    )
    for execution in found.values():
        wait_for_state(system, execution, *ENDED)
        pages += [f"executions/{execution}{tab}" for tab in ("", "/logs", "/outputs", "/gantt", "/topology", "/metrics")]
    pages += [f"flows/edit/{NAMESPACE}/values/revisions", f"flows/edit/{NAMESPACE}/values/revisions?from=1&to=2"]
    pages += _list_previews(system, found["files"]) + _list_named(system, found["named"])
    return pages + _fail(system)


def _list_names(texts: list[str]) -> list[str]:
    # A file name holds no slash and no zero, and has an end.
    return [text.replace("/", "∕").replace("\0", "").replace("\n", " ")[:60] for text in texts[::4]]


def _save_revisions(system: SystemProcess, flow: dict[str, Any]) -> None:
    for number, text in enumerate(PAYLOADS[::20]):
        changed = {**flow, "description": f"{number} {text}"}
        send(system, "PUT", f"/flows/{NAMESPACE}/values?{urlencode({'message': text})}", json.dumps(changed))
    send(system, "PUT", f"/flows/{NAMESPACE}/values?{urlencode({'message': BLOCKS[0]})}", json.dumps(flow))


def _list_named(system: SystemProcess, execution: str) -> list[str]:
    """Return the previews of files whose names are texts, the archive of such names included."""
    execution_id = execution.rpartition("/")[2]
    runs = send(system, "GET", f"/executions/{execution_id}")["taskRunList"]
    files: dict[str, str] = runs[0]["outputs"]["outputFiles"]
    assert len(files) > 20
    shown = [*list(files.values())[:12], next(address for name, address in files.items() if name.endswith("pack.zip"))]
    return [
        page
        for address in shown
        for page in (
            f"executions/file/{execution_id}?{urlencode({'path': address})}",
            f"executions/{execution}/outputs?{urlencode({'file': address})}",
        )
    ]


def _write_templates(system: SystemProcess) -> list[str]:
    for number, block in enumerate(BLOCKS[:4]):
        task = {"id": "a", "type": LOG, "message": block.replace("{{", "{ {").replace("{%", "{ %"), "description": block}
        template = {"id": f"template{number}", "namespace": NAMESPACE, "description": block, "tasks": [task]}
        _try(system, f"{API}/templates", json.dumps(template))
    return []


def _add_workers(system: SystemProcess) -> list[str]:
    texts = system.home.parent / "texts.json"
    texts.write_text(json.dumps(PAYLOADS[::8]))
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", ADD_WORKERS % {"file": str(texts)}]
    subprocess.run(command, env=system.environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return ["system", "dashboards", "blueprints", "jobs"]


def _list_admin_pages() -> list[str]:
    """Return the list of every model in the admin, and the list of each filtered to the namespace of the texts."""
    models = sorted(f"{model._meta.app_label}/{model._meta.model_name}" for model in apps.get_models())
    lists = [f"/admin/{model}/" for model in models]
    return ["/admin/", *lists, f"/admin/flows/execution/?q={NAMESPACE}", f"/admin/flows/flow/?q={NAMESPACE}"]


def _open_first(watched: Watched) -> str:
    """Return the address of the first object on an admin list, empty without one."""
    link = watched.page.locator("#result_list th a, #result_list td a").first
    return str(link.get_attribute("href")) if link.count() else ""


def _list_previews(system: SystemProcess, execution: str) -> list[str]:
    execution_id = execution.rpartition("/")[2]
    runs = send(system, "GET", f"/executions/{execution_id}")["taskRunList"]
    addresses = [run["outputs"]["uri"] for run in runs if (run.get("outputs") or {}).get("uri")]
    assert len(addresses) == len(FILE_KINDS)
    return [f"executions/file/{execution_id}?" + urlencode({"path": address}) for address in addresses]


def _fail(system: SystemProcess) -> list[str]:
    """Run flows that fail with the texts, and return the pages of their failure cards."""
    pages = []
    for number, block in enumerate(BLOCKS):
        quoted = block.replace("{{", "{ {").replace("{%", "{ %")
        source = {"id": f"fail{number}", "namespace": NAMESPACE, "tasks": [{"id": "burn", "type": FAIL, "errorMessage": quoted}]}
        send(system, "POST", "/flows", json.dumps(source))
        execution = start_execution(system, f"{NAMESPACE}/fail{number}")
        wait_for_state(system, execution, "FAILED")
        pages.append(f"executions/{execution}")
    return pages


def _fill_namespace(system: SystemProcess) -> None:
    variables = {text: text for text in PAYLOADS}
    send(system, "PUT", f"/namespaces/{NAMESPACE}", {"id": NAMESPACE, "description": "\n\n".join(BLOCKS), "variables": variables})
    for number, block in enumerate(BLOCKS):
        send(system, "POST", "/namespaces", {"id": f"{NAMESPACE}.n{number}", "description": block})
    for number, text in enumerate(PAYLOADS):
        send(system, "PUT", f"/namespaces/{NAMESPACE}/kv/key{number}", json.dumps(text), **{"Content-Type": "text/plain"})
        if number % 5 == 0:
            secret = {"key": f"SECRET_{number}", "value": "x", "description": text}
            send(system, "PUT", f"/namespaces/{NAMESPACE}/secrets", secret)
    for kind in FILE_KINDS:
        send_form(system, f"/namespaces/{NAMESPACE}/files?path=all.{kind}", "fileContent", f"all.{kind}", "\n".join(PAYLOADS))
    for number, text in enumerate(PAYLOADS):
        # A name holds no slash, and what the platform refuses as a name is refused.
        name = urlencode({"path": f"/{number} {text.replace('/', '∕')}"})
        _try(system, f"{API}/namespaces/{NAMESPACE}/files/directory?{name}")


def _write_dashboards_and_blueprints(system: SystemProcess) -> list[str]:
    pages = ["dashboards", "blueprints?mine=1"]
    source = json.dumps(
        {"id": "bp", "namespace": NAMESPACE, "description": BLOCKS[3], "tasks": [{"id": "a", "type": LOG, "message": "x"}]}
    )
    for number, block in enumerate(BLOCKS):
        title = PAYLOADS[number * 20][:200]
        chart = {"id": "note", "type": MARKDOWN, "content": block, "chartOptions": {"displayName": title}}
        board = {"id": f"hostile{number}", "title": title, "description": block, "charts": [chart]}
        status = _try(system, f"{API}/dashboards", json.dumps(board))
        if status < 300:
            pages.append(f"dashboards/hostile{number}")
        own = {"title": title, "description": block, "tags": ["hostile", PAYLOADS[number][:40]], "source": source}
        pages.append(f"blueprints/{send(system, 'POST', '/blueprints/flows', own)['id']}")
    assert len(pages) > len(BLOCKS) + 2, "the dashboards were refused"
    return pages


def _try(system: SystemProcess, path: str, body: Any = None) -> int:
    """Send what the platform may refuse, and return the status."""
    return system.call("POST", path, body, find_credentials(system))[0]


def _invite_people(system: SystemProcess) -> list[str]:
    for number, text in enumerate(PAYLOADS[::6]):
        person = {
            "email": f"h{number}@example.org",
            "firstName": text[:100],
            "lastName": text[:100],
            "password": "Passw0rd-strong-1",
        }
        _try(system, f"{API}/users", person)
        role = {"name": f"hostile{number}", "description": text, "permissions": {"FLOW": ["READ"]}}
        _try(system, f"{API}/roles", role)
        _try(system, f"{API}/groups", {"name": text[:100]})
        _try(system, f"{API}/service-accounts", {"name": f"robot{number}", "description": text})
        if number % 6 == 0:
            token = {"name": f"token-{number}", "description": text, "maxAge": "P1D"}
            assert system.call("POST", "/api/v1/me/api-tokens", token)[0] < 300
    return ["users", "groups", "roles", "account", "users/h1@example.org", "roles/hostile1"]
