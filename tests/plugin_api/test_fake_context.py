"""The test kit for plugin authors keeps the promises of the real context."""

from __future__ import annotations

import inspect

import pytest

from flows.plugin_api import context as contract
from flows.plugin_api.testing import FakeContext
from flows.primitives.errors import ForbiddenError, NotFoundError


@pytest.fixture
def fake():
    with FakeContext(secrets={"TOKEN": "canary"}, config={"x.limit": 5}) as made:
        yield made


@pytest.mark.parametrize(
    ("part", "protocol"),
    [
        (None, contract.RunContext),
        ("log", contract.TaskLog),
        ("metrics", contract.TaskMetrics),
        ("storage", contract.FileStorage),
        ("kv", contract.KeyValues),
        ("namespace_files", contract.NamespaceFiles),
        ("platform", contract.Platform),
    ],
)
def test_every_member_of_the_contract_is_there(fake, part, protocol):
    made = fake if part is None else getattr(fake, part)

    missing = [name for name, _ in inspect.getmembers(protocol) if not name.startswith("_") and not hasattr(made, name)]

    assert missing == []


def test_a_secret_is_hidden_in_the_log(fake):
    fake.log.info(f"token {fake.secret('TOKEN')}")

    assert fake.log.messages() == ["token ******"]


def test_an_unknown_secret_is_an_error(fake):
    with pytest.raises(NotFoundError, match="NOPE"):
        fake.secret("NOPE")


def test_an_unknown_log_level_is_an_error(fake):
    with pytest.raises(ValueError, match="LOUD"):
        fake.log.log("LOUD", "x")


@pytest.mark.parametrize("uri", ["kestra:///../../etc/passwd", "file:///etc/passwd", "/etc/passwd"])
def test_storage_refuses_addresses_that_are_not_its_own(fake, uri):
    with pytest.raises(ForbiddenError):
        fake.storage.open(uri)


def test_two_files_of_one_name_do_not_meet(fake):
    assert fake.storage.put(b"1", "same.txt") != fake.storage.put(b"2", "same.txt")


def test_settings_come_from_the_constructor(fake):
    assert (fake.config("x.limit"), fake.config("x.other", 7)) == (5, 7)


def test_closing_removes_the_folder(fake):
    folder = fake.workdir

    fake.close()

    assert not folder.exists()
