"""One session of an administrator at another desk: every group of commands with `--remote` against a whole running system."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.management.conftest import Answer, Run, run  # noqa: F401 - a fixture
from tests.support import eventually
from tests.support.system_process import SystemProcess

pytestmark = pytest.mark.system

SPACE = "remote.session"
FLOW = f"""\
id: greet
namespace: {SPACE}
inputs:
  - {{id: name, type: STRING, defaults: you}}
tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: >-
      {{{{ read('greeting.txt') }}}} {{{{ inputs.name }}}}, {{{{ kv('place') }}}}, {{{{ secret('WORD') | length }}}} letters
  - id: wait
    type: io.kestra.plugin.core.flow.Pause
    onResume:
      - {{id: reason, type: STRING}}
  - id: done
    type: io.kestra.plugin.core.output.OutputValues
    values:
      reason: "{{{{ outputs.wait.onResume.reason }}}}"
triggers:
  - {{id: nightly, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 3 * * *"}}
"""

Remote = Callable[..., Answer]


@pytest.fixture
def remote(run: Run, running_system: SystemProcess, monkeypatch: pytest.MonkeyPatch) -> Remote:  # noqa: F811
    """Run a command as the administrator of the running system. No database is at hand here, so nothing can be read beside it."""
    monkeypatch.setenv("no_proxy", "*")
    login = f"{running_system.user}:{running_system.password}"
    return lambda *words: run(*words, "--remote", running_system.base_url, "--user", login)


def check(answer: Answer) -> Answer:
    """Return an answer that must have been a success."""
    assert answer.status == 0, answer.err
    return answer


def test_a_session_from_the_first_file_to_the_last_token(
    remote: Remote,
    run: Run,  # noqa: F811
    running_system: SystemProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "greet.yml").write_text(FLOW)
    (tmp_path / "greeting.txt").write_text("Hello")
    monkeypatch.setenv("SECRET_VALUE", "s3cret-word")

    check(remote("namespaces", "create", SPACE, "--description", "Of a test"))
    check(remote("namespaces", "files", "put", SPACE, str(tmp_path / "greeting.txt"), "/greeting.txt"))
    check(remote("kv", "set", SPACE, "place", "north"))
    check(remote("secrets", "set", SPACE, "WORD", "--from-env", "SECRET_VALUE"))
    check(remote("flows", "apply", str(tmp_path / "greet.yml"), "--disable-triggers"))

    started = check(remote("executions", "run", SPACE, "greet", "--input", "name=Ada", "--no-wait", "-o", "json")).json["id"]
    paused = wait_for(remote, started, "PAUSED")
    asked = remote("executions", "resume", started)
    check(remote("executions", "resume", started, "--input", "reason=late"))
    followed = check(remote("executions", "follow", started, "-o", "json")).json
    lines = [line["message"] for line in check(remote("logs", "list", started, "-o", "json")).json]
    outputs = check(remote("executions", "get", started, "--tasks", "--outputs", "-o", "json")).json

    assert (paused["state"]["current"], asked.status, followed["state"]["current"]) == ("PAUSED", 1, "SUCCESS")
    assert "Hello Ada, north, 11 letters" in lines
    assert "late" in str(outputs)

    second = check(remote("executions", "run", SPACE, "greet", "--no-wait", "-o", "json")).json["id"]
    wait_for(remote, second, "PAUSED")
    check(remote("executions", "kill", second, "--yes"))
    assert wait_for(remote, second, "KILLED")
    assert {row["id"] for row in check(remote("executions", "list", "-n", SPACE, "-o", "json")).json} == {started, second}

    (trigger,) = check(remote("triggers", "list", "--filter", f"namespace:EQUALS={SPACE}", "-o", "json")).json
    assert (trigger["triggerId"], trigger["disabled"]) == ("nightly", True)
    check(remote("triggers", "enable", SPACE, "greet", "nightly"))

    check(remote("users", "service-account", "remote-bot"))
    check(remote("users", "grant", "remote-bot", "viewer", "-n", SPACE))
    token = check(remote("tokens", "create", "--name", "ci", "--account", "remote-bot", "-o", "json")).json["token"]
    as_bot = ("--remote", running_system.base_url, "--token", token)
    assert [row["id"] for row in check(run("flows", "list", *as_bot, "-o", "json")).json] == ["greet"]
    assert run("flows", "delete", SPACE, "greet", "--yes", *as_bot).status == 4
    check(remote("users", "delete", "remote-bot", "--yes"))
    assert run("flows", "list", *as_bot).status == 4

    check(remote("flows", "delete", SPACE, "greet", "--yes"))
    check(remote("kv", "delete", SPACE, "place", "--yes"))
    check(remote("secrets", "delete", SPACE, "WORD", "--yes"))


def wait_for(remote: Remote, execution_id: str, state: str) -> dict[str, dict[str, str]]:
    """Return an execution once it has a state."""
    found: dict[str, dict[str, str]] = {}

    def has_state() -> bool:
        found.update(remote("executions", "get", execution_id, "-o", "json").json)
        return found["state"]["current"] == state

    eventually(has_state, within=60)
    return found
