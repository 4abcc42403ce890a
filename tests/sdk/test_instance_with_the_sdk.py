"""The installation through the official client: who am I, tokens, plugins, configuration, wrong credentials."""

from __future__ import annotations

import pytest
from kestrapy import KestraClient
from kestrapy.exceptions import NotFoundException, UnauthorizedException
from kestrapy.models.create_api_token_request import CreateApiTokenRequest

from tests.sdk.conftest import TENANT
from tests.support.system_process import SystemProcess

LOG = "io.kestra.plugin.core.log.Log"


def test_a_token_works_until_it_is_revoked(client: KestraClient, running_system: SystemProcess) -> None:
    made = client.me.create_api_token(CreateApiTokenRequest(name="sdk-session", maxAge="P1D"))
    with KestraClient(host=running_system.base_url, token=made.full_token, timeout=30) as bearer:
        found = bearer.me.current_user()
        listed = client.me.list_api_tokens()
        bearer.me.delete_api_token(made.id)

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
