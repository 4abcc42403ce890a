"""API tokens: made once, shown once, limited, and refused at once after they were revoked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from flows.models import ApiToken
from flows.operations.tokens import MARK
from tests.api.conftest import SOURCE, Api, MakeExecution

FOREIGN = SOURCE.replace("company.team", "company.teams")

MakeToken = Callable[..., Api]


def bearer(text: str) -> Api:
    """Return a caller with this token."""
    caller = Api(None)
    caller.client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {text}"
    return caller


@pytest.fixture
def make_token(api: Api) -> MakeToken:
    """Make a token of Alice over the API and return a caller that uses it."""

    def make(**body: Any) -> Api:
        answer = api.send("POST", "/me/api-tokens", {"name": "ci", **body})
        assert answer.status_code == 200, answer.content
        return bearer(answer.json()["fullToken"])

    api.prefix = "/api/v1"
    return make


def test_a_token_signs_in_its_owner(make_token: MakeToken) -> None:
    answer = make_token().call("GET", "/api/v1/me")

    assert (answer.status_code, answer.json()["id"]) == (200, "alice@example.org")


def test_the_text_of_a_token_is_shown_once_and_stored_nowhere(api: Api, make_token: MakeToken) -> None:
    made = api.send("POST", "/me/api-tokens", {"name": "ci", "description": "for the build", "maxAge": "P30D"}).json()
    listed = api.get("/me/api-tokens").json()

    row = ApiToken.objects.get()
    assert made["fullToken"].startswith(MARK) and len(made["fullToken"]) >= 43
    assert made["fullToken"] not in str(vars(row)) and made["fullToken"] not in str(listed)
    assert listed["total"] == 1
    assert listed["results"][0]["prefix"] == made["fullToken"][: len(MARK) + 6]
    assert (listed["results"][0]["name"], listed["results"][0]["expired"]) == ("ci", False)
    assert row.expires_at - row.created_at == timedelta(days=30)


def test_a_token_lives_ninety_days_when_nobody_says_otherwise(make_token: MakeToken) -> None:
    make_token()

    row = ApiToken.objects.get()
    assert row.expires_at - row.created_at == timedelta(days=90)


def test_a_revoked_token_is_refused_at_once(api: Api, make_token: MakeToken) -> None:
    caller = make_token()
    before = caller.call("GET", "/api/v1/me").status_code
    revoked = api.send("DELETE", f"/me/api-tokens/{ApiToken.objects.get().id}")

    assert (before, revoked.status_code) == (200, 204)
    assert caller.call("GET", "/api/v1/me").status_code == 401


def test_a_token_that_ran_out_is_refused_and_listed_as_such(api: Api, make_token: MakeToken) -> None:
    caller = make_token()
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert caller.call("GET", "/api/v1/me").status_code == 401
    assert api.get("/me/api-tokens").json()["results"][0]["expired"] is True


def test_a_token_of_a_closed_account_is_refused(alice: User, make_token: MakeToken) -> None:
    caller = make_token()
    alice.is_active = False
    alice.save()

    assert caller.call("GET", "/api/v1/me").status_code == 403


@pytest.mark.parametrize("text", ["", "x", MARK, MARK + "A" * 43, "eyJhbGciOiJub25lIn0.e30.", "A" * 5000])
def test_unknown_tokens_are_refused(make_token: MakeToken, text: str) -> None:
    make_token()
    answer = bearer(text).call("GET", "/api/v1/main/flows/search")

    assert answer.status_code == 401
    assert answer.json()["status"] == 401


def test_the_use_of_a_token_is_noted_at_most_once_a_minute(make_token: MakeToken, django_assert_num_queries: Any) -> None:
    caller = make_token()
    caller.call("GET", "/api/v1/me")
    first = ApiToken.objects.get().last_used_at
    with django_assert_num_queries(1):
        caller.call("GET", "/api/v1/me")
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=2))
    caller.call("GET", "/api/v1/me")

    assert ApiToken.objects.get().last_used_at > first


def test_each_use_moves_the_end_of_an_extended_token(make_token: MakeToken) -> None:
    caller = make_token(extended=True, maxAge="P1D")
    ApiToken.objects.update(expires_at=timezone.now() + timedelta(minutes=5))
    caller.call("GET", "/api/v1/me")

    assert ApiToken.objects.get().expires_at > timezone.now() + timedelta(hours=23)


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Not Allowed"},
        {"name": ""},
        {"name": "a" * 64},
        {"maxAge": "soon"},
        {"maxAge": "PT0S"},
        {"maxAge": "P4000D"},
        {"namespaces": ["Company"]},
        {"namespaces": "company"},
        {"access": "ALL"},
    ],
)
def test_tokens_that_cannot_be_are_refused(api: Api, make_token: MakeToken, body: dict[str, Any]) -> None:
    assert api.send("POST", "/me/api-tokens", {"name": "ci", **body}).status_code == 422
    assert not ApiToken.objects.exists()


def test_two_tokens_of_a_person_cannot_share_a_name(api: Api, make_token: MakeToken) -> None:
    make_token()

    assert api.send("POST", "/me/api-tokens", {"name": "ci"}).status_code == 409


def test_people_see_and_revoke_only_their_own_tokens(api: Api, make_token: MakeToken) -> None:
    make_token()
    User.objects.create_user("bob@example.org", "bob@example.org", "correct-Horse-7-battery")
    bob = Api("bob@example.org", prefix="/api/v1")

    assert bob.get("/me/api-tokens").json() == {"results": [], "total": 0}
    assert bob.send("DELETE", f"/me/api-tokens/{ApiToken.objects.get().id}").status_code == 404
    assert ApiToken.objects.count() == 1


def test_a_token_cannot_make_tokens(make_token: MakeToken) -> None:
    answer = make_token().send("POST", "/api/v1/me/api-tokens", {"name": "another"})

    assert answer.status_code == 403


def test_a_reading_token_reads_and_validates_but_changes_nothing(daily: dict[str, Any], make_token: MakeToken) -> None:
    caller = make_token(access="READ")

    assert caller.get("/flows/company.team/daily").status_code == 200
    assert caller.send_yaml("POST", "/flows/validate", SOURCE).status_code == 200
    assert caller.send("DELETE", "/flows/company.team/daily").status_code == 403
    assert caller.send("POST", "/executions/company.team/daily").status_code == 403
    assert caller.send("PUT", "/namespaces/company.team/kv/a", "1").status_code == 403


def test_a_token_of_a_namespace_reaches_it_and_what_is_below(make_token: MakeToken) -> None:
    caller = make_token(namespaces=["company.team"])

    assert caller.send_yaml("POST", "/flows", SOURCE).status_code == 200
    assert caller.get("/flows/company.team/daily").status_code == 200
    assert caller.send("PUT", "/namespaces/company.team.sub/kv/a", "1").status_code == 200


def test_a_token_of_a_namespace_reaches_no_other_one(daily: dict[str, Any], api: Api, make_token: MakeToken) -> None:
    caller = make_token(namespaces=["company.team"])

    assert caller.send_yaml("POST", "/flows", FOREIGN).status_code == 403
    for namespace in ("company", "company.teams", "company.tea", "other"):
        assert caller.get(f"/flows/{namespace}/daily").status_code == 404
        assert caller.send("PUT", f"/namespaces/{namespace}/kv/a", "1").status_code == 403
    assert caller.get("/flows/distinct-namespaces").json() == ["company.team"]
    for path in ("/prometheus", "/api/v1/instance/services/search", "/api/v1/auditlogs/search"):
        assert caller.client.get(path).status_code == 403


def test_a_foreign_execution_looks_like_a_missing_one(
    daily: dict[str, Any], make_token: MakeToken, make_execution: MakeExecution
) -> None:
    own, foreign = make_execution(), make_execution(namespace="company.teams")
    caller = make_token(namespaces=["company.team"])
    hidden, missing = caller.get(f"/executions/{foreign.id}"), caller.get("/executions/0000000000000000000000")

    assert caller.get(f"/executions/{own.id}").status_code == 200
    assert (hidden.status_code, missing.status_code) == (404, 404)
    assert hidden.json()["message"].replace(foreign.id, "") == missing.json()["message"].replace("0000000000000000000000", "")


def test_searches_with_a_token_of_a_namespace_show_only_what_it_reaches(
    make_token: MakeToken, make_execution: MakeExecution
) -> None:
    own = make_execution(logs=[(2, "mine")])
    make_execution(namespace="company.teams", logs=[(2, "theirs")])
    caller = make_token(namespaces=["company.team"])

    assert [row["id"] for row in caller.get("/executions/search").json()["results"]] == [own.id]
    assert [row["message"] for row in caller.get("/logs/search").json()["results"]] == ["mine"]
    assert caller.get("/executions/search", namespace="company.teams").json()["total"] == 0
    assert caller.call("GET", "/executions/search?filters[or][0][namespace][EQUALS]=company.teams").json()["total"] == 0
