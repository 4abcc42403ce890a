"""The way into the admin site: the console's sign-in, allowed networks, the policy of its pages, and links both ways."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse
from rcssmin import cssmin

from flows.admin.site import GROUPS, is_allowed_address
from flows.admin.theme import IS_STOCK
from flows.conf import changed_settings
from flows.models import AuditEntry, Flow
from flows.ui.looks import LOOKS
from orchestrator import env

STYLES = Path(__file__).resolve().parents[2] / "static/flows/admin/admin.css"

pytestmark = pytest.mark.django_db


def test_a_stranger_signs_in_at_the_console(client: Client) -> None:
    User.objects.create_superuser("alice@example.org")

    answer = client.get(reverse("admin:flows_flow_changelist"), follow=True)

    assert answer.redirect_chain[-1][0].startswith(reverse("ui:login"))
    assert "next=" in answer.redirect_chain[-1][0]


def test_signing_out_is_written_down(alice: Client) -> None:
    answer = alice.post(reverse("admin:logout"))

    assert answer.url == reverse("ui:login")  # type: ignore[attr-defined]
    assert AuditEntry.objects.filter(what="session.close", door="ADMIN").exists()


def test_passwords_are_changed_in_the_console(alice: Client) -> None:
    assert alice.get(reverse("admin:password_change")).url == reverse("ui:account")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("networks", "address", "expected"),
    [((), "", True), (("10.0.0.0/8",), "10.1.2.3", True), (("10.0.0.0/8",), "11.0.0.1", False), (("10.0.0.0/8",), "", False)],
)
def test_only_allowed_networks_reach_the_site(networks: tuple[str, ...], address: str, expected: bool) -> None:
    with changed_settings(admin_addresses=networks):
        assert is_allowed_address(address) is expected


def test_a_refused_network_gets_no_page(alice: Client) -> None:
    with changed_settings(admin_addresses=("10.0.0.0/8",)):
        assert alice.get(reverse("admin:index"), follow=True).status_code == 403


def test_without_a_second_factor_staff_stays_outside_where_it_is_asked(alice: Client) -> None:
    with changed_settings(admin_requires_mfa=True):
        assert alice.get(reverse("admin:index"), follow=True).status_code == 403


@pytest.mark.urls("tests.admin.addresses_without_admin")
def test_without_an_admin_site_the_console_does_not_mention_it(alice: Client, flow: Flow) -> None:
    page = alice.get(reverse("ui:flow", args=[flow.namespace, flow.flow_id]))

    assert page.status_code == 200
    assert "dministration" not in page.content.decode()


def test_the_policy_is_relaxed_on_pages_of_the_site_only(alice: Client) -> None:
    inside = alice.get(reverse("admin:index")).headers["Content-Security-Policy"]
    outside = alice.get("/ui/").headers["Content-Security-Policy"]

    assert ("'unsafe-eval'" in inside) is not IS_STOCK
    assert "'unsafe-inline'" not in inside.partition("style-src")[0]
    assert "unsafe" not in outside


def test_entries_are_grouped_like_in_the_console(alice: Client) -> None:
    groups = alice.get(reverse("admin:index")).context["available_apps"]

    assert [group["name"] for group in groups] == [title for title, _ in GROUPS] == ["Run", "Build", "Operate"]


def test_objects_lead_to_the_console_and_back(alice: Client, flow: Flow) -> None:
    inside = alice.get(reverse("admin:flows_flow_change", args=[flow.pk])).content.decode()
    outside = alice.get(reverse("ui:flow", args=[flow.namespace, flow.flow_id])).content.decode()

    assert f'href="{reverse("ui:flow", args=[flow.namespace, flow.flow_id])}"' in inside
    assert f'href="{reverse("admin:flows_flow_change", args=[flow.pk])}"' in outside


@pytest.mark.parametrize(("text", "expected"), [("backstage/desk", "backstage/desk/"), ("/desk/", "desk/"), ("", "admin/")])
def test_the_site_may_stand_elsewhere(monkeypatch: pytest.MonkeyPatch, text: str, expected: str) -> None:
    monkeypatch.setenv("CELESTRA_ADMIN_PATH", text)

    assert env.read_path_prefix("CELESTRA_ADMIN_PATH", "admin", taken=("ui",)) == expected


@pytest.mark.parametrize("text", ["ui", "ui/admin", "a b", "../x", "a?b"])
def test_a_path_that_other_pages_have_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CELESTRA_ADMIN_PATH", text)

    with pytest.raises(ImproperlyConfigured, match="CELESTRA_ADMIN_PATH"):
        env.read_path_prefix("CELESTRA_ADMIN_PATH", "admin", taken=("ui",))


def test_networks_are_read_and_single_addresses_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELESTRA_ADMIN_ADDRESSES", "10.1.2.3/8, ::1")

    assert env.read_networks("CELESTRA_ADMIN_ADDRESSES") == ("10.0.0.0/8", "::1/128")


def test_a_network_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELESTRA_ADMIN_ADDRESSES", "office")

    with pytest.raises(ImproperlyConfigured, match="office"):
        env.read_networks("CELESTRA_ADMIN_ADDRESSES")


def test_states_have_the_colours_of_the_console() -> None:
    lines = []
    for look in LOOKS:
        names = ",".join(f".celestra-{state.value.lower()}" for state in look.states)
        colours = f"color:light-dark({look.light[0]},{look.dark[0]});background:light-dark({look.light[1]},{look.dark[1]})"
        lines.append(f"{names}{{{colours}}}")

    written = STYLES.read_text().partition("/* states */")[2]
    assert cssmin(written) == cssmin("\n".join(lines))
