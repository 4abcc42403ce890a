"""JDBC addresses and what becomes of their parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.plugin_api.fields import load_properties
from flows.plugin_api.tasks import TaskFailure
from flows.plugin_api.testing import FakeContext
from plugins.jdbc.postgresql.address import build_options
from plugins.jdbc.postgresql.properties import PostgresQueryProperties
from plugins.jdbc.urls import UrlError, parse_url


def build(context: FakeContext, folder: Path, **raw: Any) -> dict[str, Any]:
    return build_options(context, load_properties(PostgresQueryProperties, {"sql": "select 1", **raw}, context.render), folder)


@pytest.fixture
def context() -> Any:
    with FakeContext() as made:
        yield made


def test_hosts_ports_database_and_parameters_are_read() -> None:
    address = parse_url("jdbc:postgresql://db1:5433,[::1]/my%20shop?ssl=true&user=a%26b")

    assert address.hosts == (("db1", 5433), ("::1", None))
    assert (address.database, address.parameters) == ("my shop", {"ssl": "true", "user": "a&b"})


@pytest.mark.parametrize("text", ["", "localhost/db", "jdbc:postgresql://a:b:c/db", "jdbc:postgresql://h:99999/db"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UrlError):
        parse_url(text)


def test_an_address_without_a_host_means_this_host(context: FakeContext, tmp_path: Path) -> None:
    options = build(context, tmp_path, url="jdbc:postgresql:shop", username="u")

    assert options == {"host": "localhost", "port": "5432", "user": "u", "dbname": "shop"}


def test_task_properties_go_before_the_address(context: FakeContext, tmp_path: Path) -> None:
    options = build(context, tmp_path, url="postgresql://x:y@h/db", username="u", password="p")

    assert (options["user"], options["password"]) == ("u", "p")


def test_an_unknown_parameter_is_ignored_with_one_warning(context: FakeContext, tmp_path: Path) -> None:
    build(context, tmp_path, url="jdbc:postgresql://h/db?speed=9&mood=good&ApplicationName=x")

    assert context.log.messages("WARN") == ["Unknown parameters of the database address are ignored: speed, mood."]


def test_a_security_parameter_that_cannot_be_honoured_is_refused(context: FakeContext, tmp_path: Path) -> None:
    with pytest.raises(TaskFailure, match="sslhostnameverifier"):
        build(context, tmp_path, url="jdbc:postgresql://h/db?sslhostnameverifier=my.Class")


def test_another_database_is_refused(context: FakeContext, tmp_path: Path) -> None:
    with pytest.raises(TaskFailure, match='address of "mysql"'):
        build(context, tmp_path, url="jdbc:mysql://h/db")


def test_ssl_means_full_verification_unless_a_mode_is_given(context: FakeContext, tmp_path: Path) -> None:
    assert build(context, tmp_path, url="jdbc:postgresql://h/db", ssl=True)["sslmode"] == "verify-full"
    assert build(context, tmp_path, url="jdbc:postgresql://h/db", ssl=True, sslMode="REQUIRE")["sslmode"] == "require"


def test_keys_are_written_to_files_that_only_we_can_read(context: FakeContext, tmp_path: Path) -> None:
    path = Path(build(context, tmp_path, url="jdbc:postgresql://h/db", sslKey="PEM")["sslkey"])

    assert (path.read_text(), path.stat().st_mode & 0o777) == ("PEM\n", 0o600)
