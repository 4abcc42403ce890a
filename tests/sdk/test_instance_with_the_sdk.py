"""The installation through the official client: who am I, tokens, plugins, configuration, wrong credentials."""

from __future__ import annotations

import pytest
from kestrapy import KestraClient
from kestrapy.exceptions import ConflictException, ForbiddenException, NotFoundException, UnauthorizedException
from kestrapy.models.basic_auth_credentials import BasicAuthCredentials
from kestrapy.models.create_api_token_request import CreateApiTokenRequest
from kestrapy.models.me_controller_api_user_details_request import MeControllerApiUserDetailsRequest

from tests.sdk.conftest import TENANT
from tests.support.system_process import SystemProcess

LOG = "io.kestra.plugin.core.log.Log"


def test_a_token_works_until_it_is_revoked(client: KestraClient, running_system: SystemProcess) -> None:
    made = client.me.create_api_token(CreateApiTokenRequest(name="sdk-session", maxAge="P1D"))
    with KestraClient(host=running_system.base_url, token=made.full_token, timeout=30) as bearer:
        found = bearer.me.current_user()
        listed = client.me.list_api_tokens()
        with pytest.raises(ForbiddenException):
            bearer.me.delete_api_token(made.id)
        client.me.delete_api_token(made.id)

        assert found["id"] == running_system.user
        assert [(token.name, token.expired) for token in listed.results if token.id == made.id] == [("sdk-session", False)]
        with pytest.raises(UnauthorizedException):
            bearer.flows.search_flows(TENANT)


def test_wrong_credentials_are_refused(running_system: SystemProcess) -> None:
    with KestraClient(host=running_system.base_url, username=running_system.user, password="wrong", timeout=30) as other:
        with pytest.raises(UnauthorizedException):
            other.flows.search_flows(TENANT)
        with pytest.raises(UnauthorizedException):
            other.me.current_user()


def test_the_configuration_is_read(client: KestraClient) -> None:
    assert client.misc.configuration().version.startswith("2.")
    assert client.misc.login_configuration().is_basic_auth_initialized is True
    assert client.misc.basic_auth_validation_errors() == []
    assert "upper" in client.misc.pebble_filters()
    assert any(function["name"] == "render" for function in client.misc.pebble_functions())
    assert client.misc.worker_selector_tags(TENANT).tags == []


def test_plugins_are_listed_and_described(client: KestraClient) -> None:
    found = client.plugins.list_plugins(page=1, size=1000)
    shown = client.plugins.plugin_documentation(LOG)

    assert found["total"] > 0
    assert "message" in shown["schema"]["properties"]["properties"]
    assert client.plugins.plugin_schema("flow")["type"] == "object" or "definitions" in client.plugins.plugin_schema("flow")
    assert {"STRING", "FILE"} <= {item["type"] for item in client.plugins.plugin_input_types()}
    assert LOG in client.plugins.plugin_icons()
    assert client.plugins.plugin_icon_svg(LOG).lstrip().startswith("<svg")
    assert client.plugins.plugin_versions(LOG)["type"] == LOG
    assert client.plugins.list_plugins_by_subgroups()
    with pytest.raises(NotFoundException):
        client.plugins.plugin_documentation("io.kestra.plugin.core.log.Lag")


def test_every_form_of_a_plugin_is_served(client: KestraClient) -> None:
    plugins = client.plugins
    icon = plugins.plugin_icon(LOG)

    assert icon["icon"] and plugins.plugin_group_icons()
    assert plugins.plugin_documentation_for_version(LOG, "latest")["markdown"]
    assert "properties" in plugins.plugin_input_schema("STRING")["schema"]
    assert "tasks" in plugins.plugin_properties("flow")
    assert "Schedule" in str(plugins.plugin_triggers()["results"])


def test_nothing_is_installed_while_the_system_runs(client: KestraClient) -> None:
    plugins = client.plugins
    calls = (
        lambda: plugins.detect_missing_plugins("id: x\nnamespace: company.team\ntasks: []\n"),
        lambda: plugins.install_plugins([{"group": "io.kestra", "artifact": "plugin"}]),
        lambda: plugins.plugin_install_job("some-job"),
        lambda: plugins.plugin_ui("io.kestra", "index.js"),
        lambda: plugins.plugin_ui_manifest([{"type": LOG}]),
    )

    for call in calls:
        with pytest.raises(NotFoundException) as raised:
            call()
        assert '"message"' in raised.value.body


def test_an_account_is_described_and_its_name_changed(client: KestraClient) -> None:
    changed = client.me.update_current_user(MeControllerApiUserDetailsRequest(firstName="Ann", lastName="Lee"))

    assert (changed["profile"]["firstName"], client.me.current_user()["profile"]["lastName"]) == ("Ann", "Lee")
    assert "BASIC_AUTH" in client.misc.auths()


def test_a_second_first_account_is_refused(client: KestraClient) -> None:
    with pytest.raises(ConflictException):
        client.misc.create_basic_auth(TENANT, BasicAuthCredentials(username="eve@example.org", password="Another-1-password"))
