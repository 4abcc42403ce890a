"""The short examples for beginners do what their comments say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.examples.running import API, EXAMPLES, NAMESPACE, query, read_file, read_messages, run_example, wait_for_success
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.system

FOR_BEGINNERS = ("hello_world", "parallel_download", "daily_report", "webhook_to_database")


@pytest.fixture
def web_folder(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder whose files a web server of this test gives out, and its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: the test reads answers, not logs."""


def test_every_example_is_there_after_the_first_start(running_system: SystemProcess) -> None:
    names = {path.stem for path in EXAMPLES.glob("*.yaml")}

    found = {name for name in names if running_system.call("GET", f"{API}/flows/{NAMESPACE}/{name}")[0] == 200}

    assert found == names


@pytest.mark.parametrize("name", FOR_BEGINNERS)
def test_an_example_for_beginners_fits_on_one_screen_and_explains_itself(name: str) -> None:
    lines = (EXAMPLES / f"{name}.yaml").read_text().splitlines()

    assert len(lines) < 40
    assert lines[0].startswith("# ")


def test_hello_world_greets_in_every_language(running_system: SystemProcess) -> None:
    execution = run_example(running_system, "hello_world", {"name": "Ada"})

    assert execution["outputs"] == {"result": "Ada was greeted."}
    assert sorted(read_messages(running_system, execution["id"])) == ["Bonjour Ada!", "Hallo Ada!", "Hello Ada!", "Hola Ada!"]


@pytest.mark.parametrize(("size", "word"), [("7", "large"), ("5", "small")])
def test_choose_a_branch_takes_the_branch_of_its_input(running_system: SystemProcess, size: str, word: str) -> None:
    execution = run_example(running_system, "choose_a_branch", {"size": size})

    assert read_messages(running_system, execution["id"]) == [f"{size} is {word}."]


def test_parallel_download_joins_the_files_of_all_addresses(running_system: SystemProcess, web_folder: tuple[Path, str]) -> None:
    folder, address = web_folder
    texts = {f"part-{number}.csv": f"{number},{number**2}\n" for number in range(4)}
    for name, text in texts.items():
        (folder / name).write_text(text)

    execution = run_example(running_system, "parallel_download", {"urls": json.dumps([f"{address}/{name}" for name in texts])})

    joined = next(run for run in execution["taskRunList"] if run["taskId"] == "join")["outputs"]["uri"]
    assert sorted(read_file(running_system, execution["id"], joined).splitlines()) == ["0,0", "1,1", "2,4", "3,9"]


def test_daily_report_counts_the_flights_of_each_airport(running_system: SystemProcess) -> None:
    execution = run_example(running_system, "daily_report")

    report = next(run for run in execution["taskRunList"] if run["taskId"] == "report")["outputs"]["uri"]
    lines = read_file(running_system, execution["id"], report).splitlines()
    assert lines[0] == "# Flights of 2013-01-05"
    assert [line[:18] for line in lines if line.startswith("- ")] == [
        "- EWR: 238 flights",
        "- JFK: 302 flights",
        "- LGA: 180 flights",
    ]


def test_webhook_to_database_writes_what_the_caller_sent(running_system: SystemProcess) -> None:
    address = f"{API}/executions/webhook/{NAMESPACE}/webhook_to_database/change-this-key-first"
    customer = "Robert'); drop table orders; --"

    status, execution = running_system.call("POST", address, {"customer": customer, "total": 12.5})
    assert status == 200, execution
    wait_for_success(running_system, execution["id"])

    [(written, total)] = query(running_system, f"select customer, total from orders where id = '{execution['id']}'")
    assert (written, float(total)) == (customer, 12.5)
