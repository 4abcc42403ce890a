"""The first start: one owner, once, by whom the server trusts."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from flows.conf import changed_settings
from flows.management.supervisor.preparation import show_setup_token
from flows.models import AuditEntry
from flows.operations.account_acts import list_owners
from flows.operations.set_up import is_local, is_set_up, make_first_owner, make_setup_token
from flows.primitives.callers import Door
from flows.primitives.errors import ConflictError, InvalidError
from tests.accounts.conftest import AT

pytestmark = pytest.mark.django_db

FORM = {"username": "olive@example.org", "password": "a staple of horses 7", "again": "a staple of horses 7"}
FAR = {"REMOTE_ADDR": "192.0.2.9", "HTTP_HOST": "localhost"}
HERE = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8080"}


def _far() -> Client:
    return Client(REMOTE_ADDR="192.0.2.9")


def test_a_stranger_needs_the_token_of_the_log(client: Client) -> None:
    refused = _far().post("/ui/setup", FORM)
    wrong = _far().post("/ui/setup", {**FORM, "token": "0" * 40})
    made = _far().post("/ui/setup", {**FORM, "token": make_setup_token()})

    assert (refused.status_code, wrong.status_code, made.status_code) == (403, 403, 302)
    assert list_owners() == ["olive@example.org"]


def test_the_first_owner_is_signed_in_and_written_down(db: None) -> None:
    client = _far()
    client.post("/ui/setup", {**FORM, "token": make_setup_token()})

    assert client.get("/ui/users").status_code == 200
    assert AuditEntry.objects.filter(what="installation.set-up", who="olive@example.org").count() == 1


def test_the_login_leads_to_the_set_up_and_never_again_afterwards(client: Client) -> None:
    assert client.get("/ui/login")["Location"] == "/ui/setup"
    make_first_owner("olive@example.org", FORM["password"], token="", headers=HERE, door=Door.CONSOLE, at=AT)

    assert client.get("/ui/login").status_code == 200
    assert client.get("/ui/setup")["Location"] == "/ui/login"
    assert client.post("/ui/setup", {**FORM, "token": make_setup_token()}).status_code == 409


def test_the_set_up_stays_closed_when_all_accounts_are_gone(db: None) -> None:
    user = make_first_owner("olive@example.org", FORM["password"], token="", headers=HERE, door=Door.CONSOLE, at=AT)
    User.objects.filter(pk=user.pk).delete()

    assert is_set_up()
    with pytest.raises(ConflictError):
        make_first_owner("eve@example.org", FORM["password"], token="", headers=HERE, door=Door.CONSOLE, at=AT)


@pytest.mark.parametrize(
    ("headers", "local"),
    [
        (HERE, True),
        ({"REMOTE_ADDR": "::1", "HTTP_HOST": "[::1]:8080"}, True),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "celestra.example.org"}, False),
        ({"REMOTE_ADDR": "192.0.2.9", "HTTP_HOST": "localhost"}, False),
        ({**HERE, "HTTP_X_FORWARDED_FOR": "192.0.2.9"}, False),
        ({**HERE, "HTTP_FORWARDED": "for=192.0.2.9"}, False),
        ({**HERE, "HTTP_VIA": "1.1 proxy"}, False),
        ({**HERE, "HTTP_ORIGIN": "http://localhost:8080", "HTTP_SEC_FETCH_SITE": "same-origin"}, True),
        ({**HERE, "HTTP_ORIGIN": "https://evil.example"}, False),
        ({**HERE, "HTTP_ORIGIN": "null"}, False),
        ({**HERE, "HTTP_SEC_FETCH_SITE": "cross-site"}, False),
        ({"REMOTE_ADDR": "", "HTTP_HOST": ""}, False),
    ],
)
def test_only_who_sits_at_this_host_needs_no_token(headers: dict[str, str], local: bool) -> None:
    assert is_local(headers) is local


def test_the_operator_may_do_without_the_token(db: None) -> None:
    with changed_settings(setup_needs_token=False):
        make_first_owner("olive@example.org", FORM["password"], token="", headers=FAR, door=Door.CONSOLE, at=AT)

    assert list_owners() == ["olive@example.org"]


@pytest.mark.parametrize("change", [{"password": "short", "again": "short"}, {"again": "other"}, {"username": "olive"}])
def test_the_rules_of_passwords_hold_for_the_first_owner(client: Client, change: dict[str, str]) -> None:
    answer = client.post("/ui/setup", {**FORM, **change}, headers={"host": "localhost"})

    assert answer.status_code == 422
    assert User.objects.count() == 0


def test_guessing_the_token_is_slowed_down(db: None) -> None:
    answers = [_far().post("/ui/setup", {**FORM, "token": str(number)}).status_code for number in range(8)]

    assert answers[:5] == [403] * 5 and 429 in answers[5:]


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_moment_one_wins() -> None:
    start, outcomes = threading.Barrier(2), []

    def try_it(name: str) -> None:
        start.wait()
        try:
            make_first_owner(name, FORM["password"], token="", headers=HERE, door=Door.CONSOLE, at=AT)
            outcomes.append("made")
        except ConflictError:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=try_it, args=(f"owner{number}@example.org",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["made", "refused"]
    assert User.objects.count() == 1


def test_the_token_is_printed_until_the_set_up_and_not_again(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    show_setup_token("http://localhost:8080")
    first = capsys.readouterr().out
    make_first_owner("olive@example.org", FORM["password"], token="", headers=HERE, door=Door.CONSOLE, at=AT)
    show_setup_token("http://localhost:8080")

    assert make_setup_token() in first and capsys.readouterr().out == ""


def _basic_auth(body: dict[str, str], client: Client | None = None) -> Any:
    return (client or Client(headers={"host": "localhost"})).post("/api/v1/main/basicAuth", body, content_type="application/json")


def test_clients_of_the_other_product_make_the_first_account_by_its_rule(db: None) -> None:
    weak = _basic_auth({"username": "olive@example.org", "password": "lowercase1"})
    common = _basic_auth({"username": "olive@example.org", "password": "Password1"})
    far = _basic_auth({"username": "olive@example.org", "password": "Kestra-77x"}, _far())
    made = _basic_auth({"username": "olive@example.org", "password": "Kestra-77x"})
    again = _basic_auth({"username": "eve@example.org", "password": "Kestra-77x"})

    assert [answer.status_code for answer in (weak, common, far, made, again)] == [422, 422, 403, 204, 401]
    assert "uppercase" in weak.json()["message"]
    assert list_owners() == ["olive@example.org"]


def test_a_person_is_never_made_with_the_looser_rule_by_the_page(db: None) -> None:
    with pytest.raises(InvalidError):
        make_first_owner("olive@example.org", "Kestra-77x", token="", headers=HERE, door=Door.CONSOLE, at=AT)
