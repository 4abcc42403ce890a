"""A system full of things to look at: flows of every kind, executions in every state, people, values, files, dashboards."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import eventually
from tests.support.system_process import SystemProcess

API = "/api/v1/main"
FOLDER = Path(__file__).parent / "seed"
ENDED = {"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED"}
FLOWS = ("notify", "daily_revenue", "load_warehouse", "close_month", "back_up", "tidy_up", "invoice_form")
PEOPLE = (
    ("grace@example.org", "Grace", "Hopper", "data-engineers"),
    ("alan@example.org", "Alan", "Turing", "data-engineers"),
    ("mary@example.org", "Mary", "Somerville", "viewers"),
)


@dataclass
class Seeded:
    """Ids of the executions by what became of them, and of other things that pages are made for."""

    system: SystemProcess
    executions: dict[str, str] = field(default_factory=dict)
    blueprint_id: str = ""

    def path_of(self, name: str) -> str:
        """Return the address of an execution's page below `/ui/`."""
        namespace, flow_id, execution_id = self.executions[name].split("/")
        return f"executions/{namespace}/{flow_id}/{execution_id}"


_token_of: dict[str, str] = {}


def find_credentials(system: SystemProcess) -> dict[str, str]:
    """Return a header that signs a call in with a token: checking a password takes long on purpose."""
    if system.base_url not in _token_of:
        status, token = system.call(
            "POST", "/api/v1/me/api-tokens", {"name": f"test-data-{uuid.uuid4().hex[:8]}", "maxAge": "P1D"}
        )
        assert status < 300, token
        _token_of[system.base_url] = token["fullToken"]
    return {"Authorization": f"Bearer {_token_of[system.base_url]}"}


def send(system: SystemProcess, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Call the API below the tenant and return the answer; a refusal is a failure of the test."""
    status, answer = system.call(method, API + path, body, {**find_credentials(system), **headers})
    assert status < 300, (method, path, status, answer)
    return answer


def send_form(system: SystemProcess, path: str, name: str, file_name: str, content: str) -> Any:
    """Upload one file with a form."""
    mark = uuid.uuid4().hex
    head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n\r\n'
    kind = f"multipart/form-data; boundary={mark}"
    return send(system, "POST", path, f"{head}{content}\r\n--{mark}--\r\n", **{"Content-Type": kind})


def start_execution(system: SystemProcess, flow: str, query: str = "") -> str:
    """Start a flow, named with its namespace, and return the execution as `namespace/flow/id`."""
    started = send(system, "POST", f"/executions/{flow}{query}")
    return f"{flow}/{started['id']}"


def wait_for_state(system: SystemProcess, execution: str, *states: str) -> str:
    """Wait until an execution is in one of the states and return it."""
    execution_id = execution.rpartition("/")[2]

    def look() -> str:
        state: str = send(system, "GET", f"/executions/{execution_id}")["state"]["current"]
        return state if state in states else ""

    return eventually(look, within=60, every=0.2)


def seed(system: SystemProcess) -> Seeded:
    """Fill a fresh system through its API. It takes a few seconds; nothing of it changes afterwards but the running execution."""
    made = Seeded(system)
    for name in FLOWS:
        send(system, "POST", "/flows", (FOLDER / f"{name}.yaml").read_text())
    # A second revision, so that there is something to compare.
    changed = (FOLDER / "tidy_up.yaml").read_text().replace("Logs are tidy", "The logs are tidy")
    send(system, "PUT", "/flows/company.platform/tidy_up", changed)
    _start_executions(made)
    _fill_namespaces(system)
    _invite_people(system)
    send(system, "POST", "/dashboards", (FOLDER / "board.yaml").read_text())
    own = {"title": "Our nightly copy", "description": "How **we** copy databases.", "tags": ["platform"]}
    made.blueprint_id = send(system, "POST", "/blueprints/flows", {**own, "source": (FOLDER / "back_up.yaml").read_text()})["id"]
    trigger = {"namespace": "company.platform", "flowId": "tidy_up", "triggerId": "weekly"}
    past = {"start": "2025-05-01T00:00:00Z", "end": "2025-08-01T00:00:00Z"}
    send(system, "PUT", "/triggers/backfill/create", {**trigger, "backfill": past})
    send(system, "PUT", "/triggers/backfill/pause", trigger)
    return made


def _start_executions(made: Seeded) -> None:
    system, found = made.system, made.executions
    found["killed"] = start_execution(system, "company.platform/back_up")
    found["paused"] = start_execution(system, "company.finance/close_month")
    found["failed"] = start_execution(system, "company.sales/load_warehouse", "?labels=reason:nightly")
    found["success"] = start_execution(system, "company.sales/daily_revenue")
    found["tidy"] = start_execution(system, "company.platform/tidy_up")
    wait_for_state(system, found["killed"], "RUNNING")
    send(system, "DELETE", f"/executions/{found['killed'].rpartition('/')[2]}/kill")
    wait_for_state(system, found["killed"], "KILLED")
    found["running"] = start_execution(system, "company.platform/back_up")
    wait_for_state(system, found["running"], "RUNNING")
    found["queued"] = start_execution(system, "company.platform/back_up")
    wait_for_state(system, found["queued"], "QUEUED")
    wait_for_state(system, found["paused"], "PAUSED")
    wait_for_state(system, found["failed"], "FAILED")
    wait_for_state(system, found["success"], *ENDED)
    found["replayed"] = f"company.sales/load_warehouse/{_replay(system, found['failed'])}"
    for _ in range(2):
        found["quick"] = start_execution(system, "company.sales/notify", "?labels=kind:test")
    wait_for_state(system, found["replayed"], "FAILED")


def _replay(system: SystemProcess, execution: str) -> str:
    replayed: str = send(system, "POST", f"/executions/{execution.rpartition('/')[2]}/replay")["id"]
    return replayed


def _fill_namespaces(system: SystemProcess) -> None:
    variables = {"warehouse": {"host": "warehouse.internal", "port": 5432}, "currency": "EUR"}
    defaults = [{"type": "io.kestra.plugin.core.log.Log", "values": {"level": "INFO"}}]
    body = {"description": "Everything that sells.", "variables": variables, "pluginDefaults": defaults}
    send(system, "PUT", "/namespaces/company.sales", {"id": "company.sales", **body})
    for key, value, note in (
        ("last_day", '"2031-05-04"', "Day that was loaded last"),
        ("limits", json.dumps({"rows": 5000, "strict": True}), "Read by every load"),
        ("rate", "1.07", ""),
    ):
        text = {"Content-Type": "text/plain", **({"description": note} if note else {})}
        send(system, "PUT", f"/namespaces/company.sales/kv/{key}", value, **text)
    secret = {"key": "WAREHOUSE_PASSWORD", "value": "never-shown-anywhere", "description": "Turned every quarter"}
    send(system, "PUT", "/namespaces/company.sales/secrets", secret)
    files = "/namespaces/company.sales/files?path="
    for path, content in (("sql/orders.sql", "select * from orders;\n"), ("README.md", "# Sales\n\nFiles of **sales**.\n")):
        send_form(system, files + path, "fileContent", path.rpartition("/")[2], content)


def _invite_people(system: SystemProcess) -> None:
    send(system, "POST", "/groups", {"name": "data-engineers"})
    send(system, "POST", "/groups", {"name": "viewers"})
    permissions = {"FLOW": ["READ"], "EXECUTION": ["READ", "CREATE"]}
    role = send(system, "POST", "/roles", {"name": "flow-starter", "description": "May start flows.", "permissions": permissions})
    for email, first, last, group in PEOPLE:
        person = {"email": email, "firstName": first, "lastName": last, "password": "Passw0rd-strong-1", "groups": [group]}
        send(system, "POST", "/users", person)
    group_id = send(system, "GET", "/groups/viewers")["id"]
    binding = {"type": "GROUP", "externalId": group_id, "roleId": role["id"], "namespaceId": "company.sales"}
    send(system, "POST", "/bindings", binding)
    robot = send(system, "POST", "/service-accounts", {"name": "deployment", "description": "Ships flows from the repository."})
    # A token makes no tokens: these two calls sign in with the password.
    for path, token in (
        (f"{API}/service-accounts/{robot['id']}/api-tokens", {"name": "pipeline", "maxAge": "P30D"}),
        ("/api/v1/me/api-tokens", {"name": "laptop", "maxAge": "P7D"}),
    ):
        status, answer = system.call("POST", path, token)
        assert status < 300, answer
