"""A namespace on a running system in which one test loads flows, runs them and reads what came of it, over HTTP alone."""

from __future__ import annotations

import base64
import urllib.request
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import yaml

from tests.acceptance.runs import ENDED, Run
from tests.support import eventually
from tests.support.system_process import SystemProcess

API = "/api/v1/main"
_BOUNDARY = "----acceptance"


class Workspace:
    """
    One namespace of a running system.

    Attributes:
        namespace: where every flow of the test lives; no other test uses it.
    """

    def __init__(self, system: SystemProcess, namespace: str) -> None:
        self.system = system
        self.namespace = namespace

    def call(self, method: str, path: str, body: Any = None, /, *, expect: int | None = 200, **query: Any) -> Any:
        """Call the API below the tenant and return the JSON of the answer, or the text where it is none."""
        address = f"{API}{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        status, answer = self.system.call(method, address, body)
        assert expect is None or status == expect, f"{method} {address}: {status} {answer}"
        return answer

    def status_of(self, method: str, path: str, body: Any = None, /, **query: Any) -> tuple[int, Any]:
        """Return the status and the answer of a call that may be refused."""
        return self.system.call(method, f"{API}{path}" + (f"?{urlencode(query, doseq=True)}" if query else ""), body)

    def write(self, flow_id: str, /, **properties: Any) -> str:
        """Return the YAML of a flow of this namespace. A final underscore lets a block be called `finally_`."""
        document = {"id": flow_id, "namespace": self.namespace}
        document |= {name.rstrip("_"): value for name, value in properties.items()}
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)

    def load(self, flow_id: str, /, **properties: Any) -> dict[str, Any]:
        """Save a flow and return the answer."""
        return self.save(self.write(flow_id, **properties))

    def save(self, source: str) -> dict[str, Any]:
        """Save a flow from its text, as a new one or as a new revision, and return the answer."""
        flow_id = yaml.safe_load(source)["id"]
        if self.status_of("GET", f"/flows/{self.namespace}/{flow_id}")[0] == 404:
            return self.call("POST", "/flows", source)
        return self.call("PUT", f"/flows/{self.namespace}/{flow_id}", source)

    def start(self, flow_id: str, /, inputs: Mapping[str, Any] | None = None, **query: Any) -> str:
        """Start an execution and return its id at once."""
        return str(self.call("POST", f"/executions/{self.namespace}/{flow_id}", inputs or {}, **query)["id"])

    def start_with_file(self, flow_id: str, input_id: str, content: str) -> str:
        """Start an execution with one uploaded file as input and return its id."""
        body = (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{input_id}"\r\n'
            f"Content-Type: text/plain\r\n\r\n{content}\r\n--{_BOUNDARY}--\r\n"
        )
        kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        status, answer = self.system.call("POST", f"{API}/executions/{self.namespace}/{flow_id}", body, kind)
        assert status == 200, answer
        return str(answer["id"])

    def run(self, flow_id: str, /, inputs: Mapping[str, Any] | None = None, **properties: Any) -> Run:
        """Load a flow, run it to its end and return what came of it."""
        self.load(flow_id, **properties)
        return self.wait_for(self.start(flow_id, inputs))

    def read(self, execution_id: str) -> Run:
        """Return an execution as it is now."""
        return Run(self.call("GET", f"/executions/{execution_id}"))

    def wait_for(self, execution_id: str, states: str | Collection[str] = ENDED, *, within: float = 30) -> Run:
        """Wait until an execution is in one of the states, an ended one by default, and return it."""
        wanted = {states} if isinstance(states, str) else set(states)

        def look() -> Run:
            run = self.read(execution_id)
            assert run.state in wanted, f"{run} waits for {sorted(wanted)}"
            return run

        return eventually(look, within=within, every=0.05)

    def wait_for_task(self, execution_id: str, task_id: str, state: str, *, within: float = 30) -> Run:
        """Wait until a task run of an execution is in a state, and return the execution."""

        def look() -> Run:
            run = self.read(execution_id)
            assert state in run.states(task_id), f"{run} waits for {task_id} {state}"
            return run

        return eventually(look, within=within, every=0.05)

    def act(self, execution_id: str, action: str, body: Any = None, **query: Any) -> Run:
        """Do something with an execution (`restart`, `replay`, `resume`...) and return the execution of the answer."""
        return Run(self.call("POST", f"/executions/{execution_id}/actions/{action}", body, **query))

    def kill(self, execution_id: str) -> None:
        """Ask for an execution to be killed."""
        self.call("DELETE", f"/executions/{execution_id}/actions/kill", expect=None)

    def executions_of(self, flow_id: str) -> list[Run]:
        """Return every execution of a flow, oldest first, with its task runs."""
        found = self.call("GET", "/executions/search", namespace=self.namespace, flowId=flow_id, size=100)["results"]
        return sorted((self.read(row["id"]) for row in found), key=lambda run: run.created_at)

    def wait_for_executions(self, flow_id: str, count: int, *, within: float = 30) -> list[Run]:
        """Wait until a flow has that many executions, all ended, and return them, oldest first."""

        def look() -> list[Run]:
            runs = self.executions_of(flow_id)
            ended = [run for run in runs if run.state in ENDED]
            assert len(ended) == len(runs) == count, [str(run) for run in runs]
            return runs

        return eventually(look, within=within, every=0.1)

    def logs(self, execution_id: str, task_id: str | None = None) -> list[tuple[str, str]]:
        """Return the lines of an execution, or of one task of it, as pairs of level and message."""
        lines = self.call("GET", f"/logs/{execution_id}")
        return [(line["level"], line["message"]) for line in lines if task_id in (None, line.get("taskId"))]

    def wait_for_log(self, execution_id: str, text: str) -> list[tuple[str, str]]:
        """Wait until some line of an execution contains a text, and return all lines."""

        def look() -> list[tuple[str, str]]:
            lines = self.logs(execution_id)
            assert any(text in message for _, message in lines), lines
            return lines

        return eventually(look, within=10, every=0.1)

    def metrics(self, execution_id: str) -> dict[str, float]:
        """Return the metrics of an execution by name."""
        rows = self.call("GET", f"/metrics/{execution_id}")["results"]
        return {row["name"]: row["value"] for row in rows}

    def read_file(self, execution_id: str, uri: str) -> str:
        """Return the text of a stored file of an execution."""
        address = f"{self.system.base_url}{API}/executions/{execution_id}/file?path={quote(uri)}"
        login = base64.b64encode(f"{self.system.user}:{self.system.password}".encode()).decode()
        request = urllib.request.Request(address, headers={"Authorization": f"Basic {login}"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return str(answer.read().decode())

    def trigger_state(self, flow_id: str, trigger_id: str) -> dict[str, Any]:
        """Return the state row of a trigger."""
        rows = self.call("GET", f"/triggers/{self.namespace}/{flow_id}")["results"]
        return next(row for row in rows if row["triggerId"] == trigger_id)

    def remove(self) -> None:
        """Delete every flow of the namespace and kill what still runs, so that nothing of this test disturbs another."""
        for flow in self.call("GET", f"/flows/{self.namespace}"):
            self.call("DELETE", f"/flows/{self.namespace}/{flow['id']}", expect=None)
        found = self.call("GET", "/executions/search", namespace=self.namespace, size=100)["results"]
        for row in found:
            if row["state"]["current"] not in ENDED:
                self.kill(row["id"])


def read_moment(text: str) -> datetime:
    """Return a moment of the API."""
    return datetime.fromisoformat(text)
