"""Every call that the official client offers is made in a session of this folder, or is one that the reference leaves out."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from kestrapy import KestraClient
from kestrapy.base_api import BaseApi

LEFT_OUT_GROUPS = frozenset(
    {
        "ai", "apps", "assets", "auditlogs", "banners", "bindings", "case_templates", "cases", "credentials", "groups",
        "instance", "invitations", "kill_switches", "mcp", "mcp_servers", "notifications", "policies", "promotion_targets",
        "quotas", "reusable_inputs", "roles", "security_integrations", "service_account", "tenant_access", "tenants",
        "test_suites", "users", "worker_groups", "worker_queues",
    }
)  # fmt: skip
"""Groups of the enterprise edition, and those of which the reference records no call. Source: REST API, 8.16 and 10."""

LEFT_OUT_CALLS = frozenset(
    {
        "flows.flow_hashes_by_ids", "flows.list_promotions", "flows.preview_policies", "flows.promote", "flows.promote_by_ids",
        "flows.promote_diff", "flows.report_promote", "misc.generate_reports", "misc.license_info", "misc.refresh_license",
        "misc.setup_configuration", "misc.setup_kestra", "namespaces.create_namespace_credential",
        "namespaces.delete_namespace_credential", "namespaces.get_inherited_credentials",
        "namespaces.list_namespace_credentials", "namespaces.namespace_credential", "namespaces.test_namespace_connection",
        "namespaces.update_namespace_credential",
    }
)  # fmt: skip
"""Calls of the enterprise edition in groups that are otherwise open."""

CALL_COUNT = 226


def list_offered() -> dict[str, set[str]]:
    """Return the calls of the client by group."""
    client = KestraClient(host="http://localhost", username="nobody@example.org", password="unused")
    groups = {name: getattr(client, name) for name in dir(client) if not name.startswith("_")}
    return {
        name: {call for call, _ in inspect.getmembers(group, inspect.isroutine) if not call.startswith("_")}
        for name, group in groups.items()
        if isinstance(group, BaseApi)
    }


def list_made() -> set[str]:
    """Return `group.call` for each call that a session of this folder makes, through `client.group` or a name for it."""
    made = set()
    for path in Path(__file__).parent.glob("test_*_with_the_sdk.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute | ast.Name):
                group = node.value.attr if isinstance(node.value, ast.Attribute) else node.value.id
                made.add(f"{group}.{node.attr}")
    return made


def test_every_call_of_the_reference_is_made() -> None:
    offered = list_offered()
    wanted = {f"{group}.{call}" for group, calls in offered.items() if group not in LEFT_OUT_GROUPS for call in calls}

    assert sorted(LEFT_OUT_GROUPS - offered.keys()) == sorted(LEFT_OUT_CALLS - wanted) == []
    assert sorted(wanted - LEFT_OUT_CALLS - list_made()) == []
    assert len(wanted - LEFT_OUT_CALLS) == CALL_COUNT
