"""Signing in: passwords, guesses, time, the second factor and where it leads."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pyotp
import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.models import User
from django.test import Client, override_settings

from flows.conf import changed_settings
from flows.models import Account, AuditEntry, UserSession
from flows.operations import accounts, second_factor, service_accounts, sign_in
from flows.operations.throttle import LONGEST_SECONDS, SignInThrottle
from flows.primitives.callers import Door
from flows.primitives.errors import ConflictError, ForbiddenError
from tests.accounts.conftest import AT, PASSWORD, As, make_person
from tests.api.conftest import basic

pytestmark = pytest.mark.django_db


class OneLaneHasher(Argon2PasswordHasher):
    """The product's hasher on one thread, whose work the thread's own clock can measure on a busy host."""

    memory_cost = 32 * 1024
    time_cost = 2
    parallelism = 1


ARGON = [f"{__name__}.OneLaneHasher"]


def _log_in(client: Client, name: str, password: str = PASSWORD, **extra: str) -> Any:
    return client.post("/ui/login", {"username": name, "password": password, **extra})


def _turn_on(user: User) -> tuple[pyotp.TOTP, list[str]]:
    secret = second_factor.make_secret()
    totp = pyotp.TOTP(secret)
    then = datetime.now(UTC) - timedelta(minutes=5)
    codes = second_factor.enable_second_factor(user, secret=secret, code=totp.at(then), at=then)
    return totp, codes


def test_capitals_in_the_address_do_not_matter(charlie: User, client: Client) -> None:
    assert _log_in(client, " Charlie@Example.org ")["Location"] == "/ui/"


def test_signing_in_and_out_and_a_refusal_are_in_the_audit_log(charlie: User, client: Client) -> None:
    _log_in(client, charlie.username, "wrong")
    _log_in(client, charlie.username)
    client.post("/ui/logout")

    rows = AuditEntry.objects.filter(who=charlie.username).order_by("id").values_list("what", "result", "address")
    assert list(rows) == [
        ("session.open", "DENIED", "127.0.0.1"),
        ("session.open", "DONE", "127.0.0.1"),
        ("session.close", "DONE", "127.0.0.1"),
    ]


@pytest.mark.parametrize("name", ["nobody@example.org", "off@example.org", "deploy-bot", "provider@example.org"])
def test_names_that_cannot_sign_in_look_like_a_wrong_password(charlie: User, client: Client, name: str) -> None:
    accounts.disable_account(make_person("off@example.org"))
    service_accounts.create_service_account("deploy-bot", at=AT)
    accounts.create_person("provider@example.org", at=AT)
    wrong, other = _log_in(client, charlie.username, "wrong"), _log_in(client, name)

    assert (
        (other.status_code, other.context["error"])
        == (wrong.status_code, wrong.context["error"])
        == (
            401,
            "The user name or the password is wrong.",
        )
    )


@override_settings(PASSWORD_HASHERS=ARGON)
def test_time_does_not_tell_which_names_exist(db: None) -> None:
    """The medians differ by less than 10 ms; the tries take turns, so that the load of the host hits all of them."""
    make_person("ada@example.org")
    accounts.create_person("provider@example.org", at=AT)
    taken: dict[str, list[float]] = {"ada@example.org": [], "nobody@example.org": [], "provider@example.org": []}
    for number in range(15):
        for name, times in taken.items():
            start = time.thread_time()
            with pytest.raises(sign_in.WrongCredentialsError):
                sign_in.verify_password(name, "wrong", address=f"192.0.2.{number}", door=Door.API)
            times.append(time.thread_time() - start)
    medians = [statistics.median(times) for times in taken.values()]

    assert max(medians) - min(medians) < 0.010


def test_a_thousand_guesses_take_longer_than_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    throttle, clock = SignInThrottle(), [0.0]
    monkeypatch.setattr("flows.operations.throttle.time.monotonic", lambda: clock[0])
    for _ in range(1000):
        clock[0] += throttle.seconds_to_wait("ada", "192.0.2.1")
        throttle.add_failure("ada", "192.0.2.1")

    assert clock[0] > 3600


def test_the_delay_grows_and_is_bounded() -> None:
    throttle, waits = SignInThrottle(), []
    for _ in range(20):
        throttle.add_failure("ada", "192.0.2.1")
        waits.append(round(throttle.seconds_to_wait("ada", "192.0.2.1")))

    assert waits[:4] == [0] * 4
    assert waits == sorted(waits) and LONGEST_SECONDS - 1 < waits[-1] <= LONGEST_SECONDS


def test_guessing_locks_nobody_else_out(charlie: User) -> None:
    guesser = Client(REMOTE_ADDR="192.0.2.66")
    for _ in range(20):
        answer = _log_in(guesser, charlie.username, "wrong")

    assert answer.status_code == 429
    assert _log_in(Client(REMOTE_ADDR="192.0.2.7"), charlie.username).status_code == 302


def test_the_guesses_of_all_doors_count_together(charlie: User, client: Client) -> None:
    wrong = Client(headers={"authorization": basic(charlie.username, "wrong")})
    for _ in range(5):
        wrong.get("/api/v1/me")

    assert _log_in(client, charlie.username).status_code == 429


def test_one_address_that_tries_many_names_is_slowed_down() -> None:
    throttle = SignInThrottle()
    for number in range(60):
        throttle.add_failure(f"user{number}", "2001:db8::1")

    assert throttle.seconds_to_wait("another", "2001:db8::2") > 0
    assert throttle.seconds_to_wait("another", "2001:db8:0:1::2") == 0


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "\t//e.example"]
)
def test_no_step_leads_to_another_site(charlie: User, client: Client, target: str) -> None:
    totp, _ = _turn_on(charlie)
    _log_in(client, charlie.username, next=target)

    assert client.post("/ui/login/code", {"code": totp.now()})["Location"] == "/ui/"


def test_with_a_second_factor_the_password_alone_opens_nothing(charlie: User, client: Client) -> None:
    totp, _ = _turn_on(charlie)
    answer = _log_in(client, charlie.username, next="/ui/flows")

    assert answer["Location"] == "/ui/login/code"
    assert client.get("/ui/account").status_code == 302
    assert client.post("/ui/login/code", {"code": totp.now()})["Location"] == "/ui/flows"
    assert client.get("/ui/account").status_code == 200


def test_a_code_works_once(charlie: User) -> None:
    totp, _ = _turn_on(charlie)
    code, at = totp.now(), datetime.now(UTC)

    assert second_factor.use_code(charlie, code, at=at)
    assert not second_factor.use_code(charlie, code, at=at)


def test_a_code_of_before_the_last_used_one_is_refused(charlie: User) -> None:
    totp, _ = _turn_on(charlie)
    at = datetime.now(UTC)
    assert second_factor.use_code(charlie, totp.at(at), at=at)

    assert not second_factor.use_code(charlie, totp.at(at - timedelta(seconds=30)), at=at)


@pytest.mark.parametrize(("seconds", "works"), [(-90, False), (-30, True), (0, True), (30, True), (90, False)])
def test_the_clock_of_the_phone_may_be_half_a_minute_wrong(charlie: User, seconds: int, works: bool) -> None:
    totp, _ = _turn_on(charlie)
    at = datetime.now(UTC)

    assert second_factor.use_code(charlie, totp.at(at + timedelta(seconds=seconds)), at=at) is works


def test_a_recovery_code_works_once_in_any_spelling(charlie: User) -> None:
    _, codes = _turn_on(charlie)
    at = datetime.now(UTC)

    assert len(set(codes)) == second_factor.RECOVERY_CODES
    assert second_factor.use_code(charlie, codes[0].upper().replace("-", " "), at=at)
    assert not second_factor.use_code(charlie, codes[0], at=at)
    assert second_factor.use_code(charlie, codes[1], at=at)


def test_nothing_of_the_second_factor_is_stored_in_the_clear(charlie: User) -> None:
    totp, codes = _turn_on(charlie)
    account = Account.objects.get(user=charlie)

    assert totp.secret not in account.mfa_secret
    assert not set(codes) & set(account.mfa_recovery)


@pytest.mark.parametrize("code", ["", "000000", "12345", "abcdef", "١٢٣٤٥٦", "9" * 40, "\0"])
def test_wrong_codes_are_refused_and_slowed_down(charlie: User, client: Client, code: str) -> None:
    _turn_on(charlie)
    _log_in(client, charlie.username)

    answers = [client.post("/ui/login/code", {"code": code}).status_code for _ in range(7)]

    assert answers[:5] == [401] * 5 and 429 in answers[5:]


def test_the_code_page_belongs_to_the_first_step(client: Client, charlie: User) -> None:
    assert client.get("/ui/login/code")["Location"] == "/ui/login"
    assert client.post("/ui/login/code", {"code": "1"})["Location"] == "/ui/login"
    assert client.post("/ui/login/enrol", {"code": "1"})["Location"] == "/ui/login"


def test_a_changed_password_ends_an_attempt_between_the_steps(charlie: User, client: Client) -> None:
    totp, _ = _turn_on(charlie)
    _log_in(client, charlie.username)
    charlie.set_password("another long phrase")
    charlie.save()

    assert client.post("/ui/login/code", {"code": totp.now()})["Location"] == "/ui/login"


def test_basic_credentials_of_an_account_with_a_second_factor_are_refused_with_the_reason(charlie: User) -> None:
    browser = Client(headers={"authorization": basic(charlie.username, PASSWORD)})
    assert browser.get("/api/v1/me").status_code == 200
    _turn_on(charlie)

    answer = browser.get("/api/v1/me")

    assert answer.status_code == 401 and "API token" in answer.json()["message"]


def test_the_login_of_the_api_takes_the_code(charlie: User, client: Client) -> None:
    totp, _ = _turn_on(charlie)
    body = {"username": charlie.username, "password": PASSWORD}
    without = client.post("/api/v1/login", body, content_type="application/json")
    wrong = client.post("/api/v1/login", {**body, "code": "000000"}, content_type="application/json")
    right = client.post("/api/v1/login", {**body, "code": totp.now()}, content_type="application/json")

    assert (without.status_code, wrong.status_code, right.status_code) == (401, 401, 200)


def test_who_must_have_a_second_factor_sets_it_up_before_anything_else(db: None, client: Client) -> None:
    user = accounts.create_person("ada@example.org", password=PASSWORD, must_use_mfa=True, at=AT)
    assert _log_in(client, user.username, next="/ui/flows")["Location"] == "/ui/login/enrol"
    page = client.get("/ui/login/enrol")
    secret = page.context["secret"].replace(" ", "")
    wrong = client.post("/ui/login/enrol", {"code": "000000"})

    done = client.post("/ui/login/enrol", {"code": pyotp.TOTP(secret).now()})

    assert (wrong.status_code, wrong.context["secret"].replace(" ", "")) == (401, secret)
    assert done.status_code == 200 and len(done.context["codes"]) == second_factor.RECOVERY_CODES
    assert client.get("/ui/account").status_code == 200


def test_the_installation_can_ask_everybody_for_a_second_factor(charlie: User, client: Client) -> None:
    with changed_settings(require_mfa=True):
        answer = _log_in(client, charlie.username)
        basic_call = Client(headers={"authorization": basic(charlie.username, PASSWORD)}).get("/api/v1/me")

    assert (answer["Location"], basic_call.status_code) == ("/ui/login/enrol", 401)


def test_turning_the_second_factor_on_ends_all_other_sessions(charlie: User, acting: As) -> None:
    other = Client()
    other.force_login(charlie)
    with acting(charlie):
        _turn_on(charlie)

    assert other.get("/ui/account").status_code == 302


def test_a_second_factor_is_not_replaced_by_another_one(charlie: User, acting: As) -> None:
    with acting(charlie):
        _turn_on(charlie)
        with pytest.raises(ConflictError):
            _turn_on(charlie)


def test_an_owner_takes_the_second_factor_from_who_lost_the_phone(olive: User, charlie: User, alice: User, acting: As) -> None:
    _turn_on(charlie)
    with acting(alice), pytest.raises(ForbiddenError):
        second_factor.disable_second_factor(charlie)
    with acting(olive):
        second_factor.disable_second_factor(charlie)

    assert not second_factor.is_enabled(User.objects.get(pk=charlie.pk))


def test_taking_it_away_in_a_browser_needs_a_code(charlie: User, client: Client) -> None:
    totp, _ = _turn_on(charlie)
    client.force_login(charlie)
    client.post("/ui/account/act/second-factor-disable", {"code": "000000"})
    assert second_factor.is_enabled(User.objects.get(pk=charlie.pk))

    client.post("/ui/account/act/second-factor-disable", {"code": totp.now()})

    assert not second_factor.is_enabled(User.objects.get(pk=charlie.pk))


def test_the_picture_holds_the_address_that_apps_read(charlie: User) -> None:
    address = second_factor.write_address(charlie, "A" * 32)
    width, path = second_factor.draw_code(address)

    assert address.startswith("otpauth://totp/Celestra:charlie%40example.org?secret=" + "A" * 32)
    assert width > 30 and set(path) <= set("M 0123456789h1v-z")


def test_pages_of_signing_in_are_open_and_hold_no_inline_script(client: Client, charlie: User) -> None:
    page = client.get("/ui/login")

    assert page.status_code == 200
    assert b"<script>" not in page.content and b"style=" not in page.content


def test_a_service_account_has_no_way_into_a_browser(olive: User, client: Client, acting: As) -> None:
    with acting(olive):
        robot = service_accounts.create_service_account("deploy-bot", at=AT)
    User.objects.filter(pk=robot.pk).update(password=olive.password)

    assert _log_in(client, "deploy-bot").status_code == 401
    assert UserSession.objects.filter(user=robot).count() == 0


def test_the_admin_site_has_no_door_of_its_own(client: Client, charlie: User) -> None:
    asked = client.get("/admin/flows/flow/")
    answer = client.get(asked["Location"])

    posted = client.post("/admin/login/", {"username": charlie.username, "password": PASSWORD})

    assert unquote(answer["Location"]) == "/ui/login?next=/admin/flows/flow/"
    assert posted["Location"].startswith("/ui/login")
    assert client.get("/ui/account").status_code == 302


def test_the_admin_site_makes_nobody_a_superuser(client: Client, olive: User) -> None:
    client.force_login(User.objects.create_superuser("root@example.org", password=PASSWORD))
    pages = [client.get(f"/admin/auth/user/{olive.pk}/change/"), client.get("/admin/flows/usersession/")]

    client.post(f"/admin/auth/user/{olive.pk}/change/", {"name": olive.username, "enabled": "on", "is_superuser": "on"})

    olive.refresh_from_db()
    assert [page.status_code for page in pages] == [200, 200]
    assert olive.password.encode() not in pages[0].content
    assert not olive.is_superuser
