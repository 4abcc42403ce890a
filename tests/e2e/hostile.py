"""A system filled with texts that try to become script: in every field that people, flows, callers and browsers can fill."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode

from tests.e2e.hostile_rows import FLOW, NAMESPACE
from tests.e2e.payloads import group_payloads, list_payloads
from tests.e2e.seeding import API, ENDED, find_credentials, send, send_form, start_execution, wait_for_state
from tests.support.system_process import ROOT, SystemProcess

PAYLOADS = list_payloads()
BLOCKS = group_payloads(20)
# In an expression these begin something that is rendered.
LITERAL = [text.replace("{{", "{ {").replace("{%", "{ %") for text in PAYLOADS]
FILE_KINDS = ("html", "svg", "md", "txt", "json", "csv", "xml", "yaml", "log")
CORE = "io.kestra.plugin.core"
LOG, FAIL, WRITE = (f"{CORE}.{name}" for name in ("log.Log", "execution.Fail", "storage.Write"))
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
MARKDOWN = "io.kestra.plugin.core.dashboard.chart.Markdown"
TABS = ("", "/gantt", "/topology", "/logs", "/outputs", "/metrics", "/dependencies")
HOOK = "key-of-the-hook"

Pages = dict[str, int]
"""Addresses below `/ui/`, each with how many different texts a reader must at least find on it."""


def fill(system: SystemProcess) -> Pages:
    """Store the texts through every door of the platform, and return the pages that show them."""
    pages = {**_store_flows(system), **_run_flows(system), **_fill_namespace(system), **_write_boards(system)}
    pages |= {**_invite_people(system), **_write_templates(system), **_visit_as_browser(system)}
    run_inside(system, "write")
    return pages


def run_inside(system: SystemProcess, function: str) -> str:
    """Call a function of `hostile_rows` inside the system, and return what it prints."""
    call = f"from tests.e2e import hostile_rows; hostile_rows.{function}()"
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", call]
    done = subprocess.run(command, env=system.environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _flow(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "namespace": NAMESPACE, "tasks": [{"id": "a", "type": LOG, "message": "x"}], **more}


def _store_flows(system: SystemProcess) -> Pages:
    """Save flows with the texts in each property that takes any."""
    texts = _flow(
        "texts",
        description=BLOCKS[0],
        labels={f"label{n}": text for n, text in enumerate(PAYLOADS) if text.isprintable()},
        variables={text: text for text in PAYLOADS},
        inputs=[
            {"id": f"in{n}", "type": "STRING", "displayName": text[:64], "description": text, "defaults": LITERAL[n]}
            for n, text in enumerate(PAYLOADS)
        ],
        tasks=[
            {"id": "say", "type": LOG, "message": LITERAL, "description": BLOCKS[1]},
            *({"id": f"note{n}", "type": LOG, "message": "x", "description": block} for n, block in enumerate(BLOCKS)),
        ],
        outputs=[
            {"id": f"out{n}", "type": "STRING", "displayName": text, "description": text, "value": LITERAL[n]}
            for n, text in enumerate(PAYLOADS)
        ],
        triggers=[
            {"id": "plan", "type": f"{CORE}.trigger.Schedule", "cron": "0 0 1 1 *", "description": BLOCKS[2]},
            {"id": "hook", "type": f"{CORE}.trigger.Webhook", "key": HOOK},
        ],
    )
    send(system, "POST", "/flows", json.dumps(texts))
    values = _flow("values", tasks=[
        {"id": "keys", "type": f"{CORE}.output.OutputValues", "values": {text: text for text in LITERAL}},
    ])  # fmt: skip
    send(system, "POST", "/flows", json.dumps(values))
    for number, text in enumerate(PAYLOADS[::20]):
        changed = {**values, "description": f"{number} {text}"}
        send(system, "PUT", f"/flows/{NAMESPACE}/values?{urlencode({'message': text})}", json.dumps(changed))
    send(system, "PUT", f"/flows/{NAMESPACE}/values?{urlencode({'message': BLOCKS[0]})}", json.dumps(values))
    send(system, "POST", "/flows", json.dumps(_flow("broken")))
    of_flow = f"flows/edit/{NAMESPACE}"
    return {
        f"{of_flow}/texts": 100, f"{of_flow}/texts/edit": 150, f"{of_flow}/texts/execute": 150, f"{of_flow}/texts/triggers": 8,
        f"{of_flow}/texts/revisions": 0, f"{of_flow}/texts/dependencies": 0, f"{of_flow}/values/triggers": 5,
        f"{of_flow}/values/revisions": 5, f"{of_flow}/values/revisions?from=1&to=2": 100, f"{of_flow}/broken": 0,
        "flows": 1, f"flows?namespace={NAMESPACE}": 1, "flows/search?q=ran": 10, "triggers": 5,
    }  # fmt: skip


def _run_flows(system: SystemProcess) -> Pages:
    """Run flows whose inputs, labels, logs, outputs, files, metrics, loops and failures hold the texts."""
    files = _flow("files", tasks=[
        {"id": f"write_{kind}", "type": WRITE, "extension": f".{kind}", "content": "\n".join(LITERAL)} for kind in FILE_KINDS
    ])  # fmt: skip
    named = _flow("named", tasks=[
        {"id": "write", "type": PYTHON, "inputFiles": {"names.json": json.dumps(_list_names(LITERAL))}, "script": WRITE_NAMED,
         "outputFiles": ["made/*"]},
    ])  # fmt: skip
    measured = _flow("measured", tasks=[
        {"id": "measure", "type": f"{CORE}.metric.Publish",
         "metrics": [{"type": "counter", "name": text[:150], "value": 1, "tags": {"text": text}} for text in LITERAL[::4]]},
        {"id": "keep", "type": f"{CORE}.execution.SetVariables", "variables": {"kept": LITERAL[::4]}},
        {"id": "each", "type": f"{CORE}.flow.ForEach", "values": LITERAL[::8],
         "tasks": [{"id": "say", "type": LOG, "message": "{{ taskrun.value }}"}]},
    ])  # fmt: skip
    asking = _flow("asking", tasks=[
        {"id": "ask", "type": f"{CORE}.flow.Pause", "description": BLOCKS[0],
         "onResume": [{"id": f"in{n}", "type": "STRING", "displayName": text[:64], "description": text}
                      for n, text in enumerate(PAYLOADS[::8])]},
    ])  # fmt: skip
    for source in (files, named, measured, asking):
        send(system, "POST", "/flows", json.dumps(source))
    labels = urlencode([("labels", f"l{n}:{text}") for n, text in enumerate(PAYLOADS[::5])])
    found = {name: start_execution(system, f"{NAMESPACE}/{name}") for name in ("texts", "values", "files", "named", "measured")}
    found["labelled"] = start_execution(system, f"{NAMESPACE}/values", f"?{labels}")
    found["hooked"] = _call_hook(system)
    for execution in found.values():
        wait_for_state(system, execution, *ENDED)
    asked = start_execution(system, f"{NAMESPACE}/asking")
    wait_for_state(system, asked, "PAUSED")
    pages: Pages = {f"executions/{execution}{tab}": 0 for execution in (*found.values(), asked) for tab in TABS}
    pages |= {
        f"executions/{found['texts']}": 100, f"executions/{found['texts']}/logs": 100,
        f"executions/{found['texts']}/outputs": 100, f"executions/{found['labelled']}": 30,
        f"executions/{found['measured']}/gantt": 10,
        f"executions/{found['measured']}/metrics": 30, f"executions/{found['hooked']}": 20, "inbox": 10,
        "executions": 10, f"executions?namespace={NAMESPACE}": 10, "logs": 30, f"logs?namespace={NAMESPACE}": 30,
        "logs?q=%3Cscript%3Eran(1)%3C/script%3E": 1,
    }  # fmt: skip
    return pages | _list_previews(system, found["files"]) | _list_named(system, found["named"]) | _fail(system)


def _call_hook(system: SystemProcess) -> str:
    body = {text: text for text in LITERAL[::4]}
    status, answer = system.call("POST", f"{API}/executions/webhook/{NAMESPACE}/texts/{HOOK}", body)
    assert status < 300, answer
    return f"{NAMESPACE}/texts/{answer['id']}"


def _list_names(texts: list[str]) -> list[str]:
    # A file name holds no slash and no zero, and has an end.
    return [text.replace("/", "∕").replace("\0", "").replace("\n", " ")[:60] for text in texts[::4]]


def _list_named(system: SystemProcess, execution: str) -> Pages:
    """Return the previews of files whose names are texts, the archive of such names included."""
    execution_id = execution.rpartition("/")[2]
    runs = send(system, "GET", f"/executions/{execution_id}")["taskRunList"]
    files: dict[str, str] = runs[0]["outputs"]["outputFiles"]
    assert len(files) > 20
    archive = next(address for name, address in files.items() if name.endswith("pack.zip"))
    shown = [address for name, address in files.items() if "ran(" in name][:12]
    pages = {f"executions/file/{execution_id}?{urlencode({'path': address})}": 1 for address in shown}
    pages |= {f"executions/{execution}/outputs?{urlencode({'file': address})}": 20 for address in shown}
    return {**pages, f"executions/file/{execution_id}?{urlencode({'path': archive})}": 20}


def _list_previews(system: SystemProcess, execution: str) -> Pages:
    execution_id = execution.rpartition("/")[2]
    runs = send(system, "GET", f"/executions/{execution_id}")["taskRunList"]
    addresses = [run["outputs"]["uri"] for run in runs if (run.get("outputs") or {}).get("uri")]
    assert len(addresses) == len(FILE_KINDS)
    # Pages and drawings are shown in a frame of their own, and Markdown loses addresses and pictures.
    framed = {".html": 0, ".svg": 0, ".md": 20}
    least = {address: next((count for end, count in framed.items() if address.endswith(end)), 50) for address in addresses}
    return {f"executions/file/{execution_id}?{urlencode({'path': address})}": count for address, count in least.items()}


def _fail(system: SystemProcess) -> Pages:
    """Run flows that fail with the texts, and return the pages of their failure cards."""
    pages = {}
    for number, block in enumerate(BLOCKS):
        quoted = block.replace("{{", "{ {").replace("{%", "{ %")
        source = _flow(f"fail{number}", tasks=[{"id": "burn", "type": FAIL, "errorMessage": quoted}])
        send(system, "POST", "/flows", json.dumps(source))
        execution = start_execution(system, f"{NAMESPACE}/fail{number}")
        wait_for_state(system, execution, "FAILED")
        pages[f"executions/{execution}"] = 5
    return pages


def _fill_namespace(system: SystemProcess) -> Pages:
    variables = {text: text for text in PAYLOADS}
    defaults = [{"type": LOG, "values": {"message": LITERAL[::4]}}]
    about = {"id": NAMESPACE, "description": "\n\n".join(BLOCKS), "variables": variables, "pluginDefaults": defaults}
    send(system, "PUT", f"/namespaces/{NAMESPACE}", about)
    for number, block in enumerate(BLOCKS):
        send(system, "POST", "/namespaces", {"id": f"{NAMESPACE}.n{number}", "description": block})
    for number, text in enumerate(PAYLOADS):
        described = {"description": text} if text.isascii() and text.isprintable() else {}
        path = f"/namespaces/{NAMESPACE}/kv/key{number}"
        send(system, "PUT", path, json.dumps(text), **{"Content-Type": "text/plain"}, **described)
        if number % 5 == 0:
            secret = {"key": f"SECRET_{number}", "value": "x", "description": text, "tags": [{"key": text, "value": text}]}
            send(system, "PUT", f"/namespaces/{NAMESPACE}/secrets", secret)
    for kind in FILE_KINDS:
        send_form(system, f"/namespaces/{NAMESPACE}/files?path=all.{kind}", "fileContent", f"all.{kind}", "\n".join(PAYLOADS))
    refused = 0
    for number, text in enumerate(PAYLOADS):
        # A name holds no slash; of what is left, the platform refuses signs that cannot be seen, in words.
        name = urlencode({"path": f"/{number} {text.replace('/', '∕')}"})
        status = offer(system, f"{API}/namespaces/{NAMESPACE}/files/directory?{name}")
        assert status < 300 or status == 422, (text, status)
        refused += status == 422
    assert refused < 20
    place = f"namespaces/{NAMESPACE}"
    return {
        place: 100, f"{place}/kv": 100, f"{place}/files": 100, f"{place}/files?path=/all.txt": 150, f"{place}/secrets": 30,
        f"{place}/variables": 150, f"{place}/plugin-defaults": 30, f"{place}/flows": 1, f"{place}/executions": 0,
        f"{place}/dependencies": 0, f"{place}/access": 0, "namespaces": 5,
    }  # fmt: skip


def offer(system: SystemProcess, path: str, body: Any = None) -> int:
    """Send what the platform may refuse, and return the status."""
    return system.call("POST", path, body, find_credentials(system))[0]


def _write_boards(system: SystemProcess) -> Pages:
    pages: Pages = {"dashboards": 5, "blueprints?kind=own": 5}
    source = json.dumps(_flow("bp", description=BLOCKS[3]))
    for number, block in enumerate(BLOCKS):
        title = PAYLOADS[number * 20][:150]
        chart = {"id": "note", "type": MARKDOWN, "content": block, "chartOptions": {"displayName": title}}
        board = {"id": f"hostile{number}", "title": title, "description": block, "charts": [chart]}
        send(system, "POST", "/dashboards", json.dumps(board))
        pages[f"dashboards/hostile{number}"] = 5
        pages[f"dashboards/hostile{number}/edit"] = 15
        own = {"title": title, "description": block, "tags": ["hostile", PAYLOADS[number][:40]], "source": source}
        pages[f"blueprints/{send(system, 'POST', '/blueprints/flows', own)['id']}"] = 10
    return pages


def _invite_people(system: SystemProcess) -> Pages:
    for number, text in enumerate(PAYLOADS[::6]):
        person = {"email": f"h{number}@example.org", "firstName": text[:100], "lastName": text[:100]}
        send(system, "POST", "/users", {**person, "password": "Passw0rd-strong-1"})
        send(system, "POST", "/roles", {"name": f"hostile{number}", "description": text, "permissions": {"FLOW": ["READ"]}})
        send(system, "POST", "/service-accounts", {"name": f"robot{number}", "description": text})
        if number % 6 == 0:
            token = {"name": f"token-{number}", "description": text, "maxAge": "P1D"}
            assert system.call("POST", "/api/v1/me/api-tokens", token)[0] < 300
    user, role = (send(system, "GET", path) for path in ("/users/h1@example.org", "/roles/hostile1"))
    send(system, "POST", "/bindings", {"type": "USER", "externalId": user["id"], "roleId": role["id"]})
    return {
        "users": 20, "users?tab=services": 20, "users/h1@example.org": 1, "users/robot1": 1, "groups": 1, "roles": 20,
        "roles/hostile2": 1, "account": 3,
    }  # fmt: skip


def _write_templates(system: SystemProcess) -> Pages:
    for number, block in enumerate(BLOCKS[:4]):
        task = {"id": "a", "type": LOG, "message": block.replace("{{", "{ {").replace("{%", "{ %"), "description": block}
        template = {"id": f"template{number}", "namespace": NAMESPACE, "description": block, "tasks": [task]}
        send(system, "POST", "/templates", json.dumps(template))
    return {}


def _visit_as_browser(system: SystemProcess) -> Pages:
    """Leave what only the console's own forms store: a failed sign-in, a browser's name, saved filters, an act on many."""
    agent = PAYLOADS[0].replace("\n", " ")
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar))
    opener.addheaders = [("User-Agent", f"{agent} Chrome/1"), ("Referer", system.base_url)]

    def post(path: str, **fields: str | list[str]) -> None:
        token = next(cookie.value for cookie in jar if "csrf" in cookie.name)
        form = urllib.parse.urlencode({"csrfmiddlewaretoken": token, **fields}, doseq=True).encode()
        opener.open(f"{system.base_url}/ui/{path}", form, timeout=30).read()

    opener.open(f"{system.base_url}/ui/login", timeout=30).read()
    try:
        post("login", username=PAYLOADS[1], password="wrong")
    except urllib.error.HTTPError as error:
        error.close()
    post("login", username=system.user, password=system.password)
    for text in PAYLOADS[::10]:
        post("executions/view", act="save", name=text[:60], query=urlencode({"label": f"l0:{text}"}))
    post("executions", act="labels", execution=["nothing"], labels=f"l0:{PAYLOADS[0]}")
    return {"audit": 5, "audit?q=ran": 1, "jobs": 0, "system": 10, "dashboards": 5, "blueprints": 0, "": 0, "settings": 0}


__all__ = ["FLOW", "NAMESPACE", "PAYLOADS", "Pages", "fill", "offer", "run_inside"]
