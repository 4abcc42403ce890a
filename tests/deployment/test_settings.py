"""What the settings take from the environment, and how they refuse what cannot work."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from flows.conf import changed_settings, read_plugin_setting
from orchestrator import env
from orchestrator.keys import read_keys
from tests.support.system_process import ROOT, make_environment

LONG_SECRET = "s" * 50


def run_manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in an environment of its own."""
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=make_environment(**environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_database_address_is_taken_apart() -> None:
    entry = env.parse_database_url("postgresql://us%40er:p%3Aw@db.example.com:5433/flows?sslmode=require")

    assert (entry["USER"], entry["PASSWORD"], entry["HOST"], entry["PORT"], entry["NAME"]) == (
        "us@er",
        "p:w",
        "db.example.com",
        "5433",
        "flows",
    )
    assert entry["OPTIONS"] == {"sslmode": "require"}


def test_a_database_address_may_name_a_socket_folder() -> None:
    entry = env.parse_database_url("postgresql://celestra@/celestra?host=/run/db%20one")

    assert (entry["HOST"], entry["PORT"], entry["OPTIONS"]) == ("/run/db one", "", {})


@pytest.mark.parametrize(
    ("url", "word"), [("mysql://a/b", "PostgreSQL only"), ("postgresql://a", "names no database"), ("postgresql://a:x/b", "port")]
)
def test_a_database_address_that_cannot_work_is_refused(url: str, word: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=word):
        env.parse_database_url(url)


@pytest.mark.parametrize("text", ["eighty", "0", "70000", "-1"])
def test_a_port_outside_of_the_range_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CELESTRA_PORT", text)

    with pytest.raises(ImproperlyConfigured, match=f'CELESTRA_PORT must be a whole number from 1 to 65535; got "{text}"'):
        env.read_count("CELESTRA_PORT", 8080, at_least=1, at_most=65535)


def test_a_message_about_an_address_does_not_show_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELESTRA_BROKER_URL", "kafka://user:hidden@host")

    with pytest.raises(ImproperlyConfigured) as caught:
        env.read_url("CELESTRA_BROKER_URL", "", schemes=("redis",))

    assert "hidden" not in str(caught.value)


def test_generated_keys_differ_and_only_the_owner_reads_them(tmp_path: Path) -> None:
    keys = read_keys(tmp_path, secret="", encryption="", may_generate=True)
    again = read_keys(tmp_path, secret="", encryption="", may_generate=False)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()}

    assert keys == again
    assert keys.secret.encode() != keys.encryption and modes == {0o600}


def test_the_encryption_key_follows_from_the_secret_key_but_is_another(tmp_path: Path) -> None:
    keys = read_keys(tmp_path, secret=LONG_SECRET, encryption="", may_generate=False)

    assert len(keys.encryption) == 32 and keys.encryption != LONG_SECRET.encode()[:32]
    assert keys == read_keys(tmp_path, secret=LONG_SECRET, encryption="", may_generate=False)


def test_a_stored_encryption_key_stays_in_use_when_a_secret_key_is_set_later(tmp_path: Path) -> None:
    first = read_keys(tmp_path, secret="", encryption="", may_generate=True)

    assert read_keys(tmp_path, secret=LONG_SECRET, encryption="", may_generate=False).encryption == first.encryption


@pytest.mark.parametrize(("secret", "word"), [("short", "32 characters or more"), ("", "CELESTRA_SECRET_KEY is not set")])
def test_a_missing_or_short_key_is_refused(tmp_path: Path, secret: str, word: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=word):
        read_keys(tmp_path, secret=secret, encryption="", may_generate=False)


def test_an_encryption_key_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="32 random bytes"):
        read_keys(tmp_path, secret=LONG_SECRET, encryption=base64.b64encode(b"x" * 16).decode(), may_generate=False)


def test_hosts_that_share_a_database_must_be_given_the_key(tmp_path: Path) -> None:
    ended = run_manage("check", CELESTRA_HOME=str(tmp_path), CELESTRA_DATABASE_URL="postgresql://db/celestra")

    assert ended.returncode == 1
    assert "Celestra cannot start: CELESTRA_SECRET_KEY is not set" in ended.stderr and "Traceback" not in ended.stderr


def test_the_deployment_check_is_clean_behind_https(tmp_path: Path) -> None:
    ended = run_manage(
        "check",
        "--deploy",
        "--fail-level=WARNING",
        CELESTRA_HOME=str(tmp_path),
        CELESTRA_PUBLIC_URL="https://flows.example.com",
        CELESTRA_SECRET_KEY="Zq7-Lr2_Wx9.Tb4!Hn6?Kd8+Vm3=Pf5~Gs1^Yc0*Jt6(Ra4)Eu7",
        CELESTRA_BROKER_URL="amqp://broker.example.com",
    )

    assert (ended.returncode, ended.stdout) == (0, "System check identified no issues (0 silenced).\n"), ended.stderr


def test_settings_of_plugins_are_read_as_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELESTRA_SCRIPTS_PROCESS_ENABLED", "false")
    monkeypatch.setenv("CELESTRA_SCRIPTS_DOCKER_CAPABILITIES", "[CHOWN, FOWNER]")
    monkeypatch.setenv("CELESTRA_SCRIPTS_MEMORY_LIMIT", "512MiB")
    monkeypatch.setenv("CELESTRA_OTHER_THING", "5")

    found = env.read_plugin_settings(("SCRIPTS",))

    assert found == {
        "SCRIPTS_PROCESS_ENABLED": False,
        "SCRIPTS_DOCKER_CAPABILITIES": ["CHOWN", "FOWNER"],
        "SCRIPTS_MEMORY_LIMIT": "512MiB",
    }


def test_a_setting_of_a_plugin_that_is_no_yaml_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELESTRA_SCRIPTS_DOCKER_CAPABILITIES", "[CHOWN")

    with pytest.raises(ImproperlyConfigured, match="CELESTRA_SCRIPTS_DOCKER_CAPABILITIES"):
        env.read_plugin_settings(("SCRIPTS",))


def test_plugins_read_the_settings_of_the_operator() -> None:
    with changed_settings(plugin_settings={"SCRIPTS_MEMORY_LIMIT": "512MiB"}):
        assert read_plugin_setting("scripts.memory-limit") == "512MiB"
        assert read_plugin_setting("scripts.process-limit", 7) == 7
        assert len(read_plugin_setting("installation")) == 16
