"""What commands work on: the database of this installation, or another installation through its REST API, behind one face."""

from __future__ import annotations

from dataclasses import dataclass

from flows.management.targets.executions import Executions, LocalExecutions, RemoteExecutions
from flows.management.targets.flows import Flows, LocalFlows, RemoteFlows
from flows.management.targets.keys import Keys, LocalKeys, RemoteKeys
from flows.management.targets.logs import LocalLogs, Logs, RemoteLogs
from flows.management.targets.namespaces import (
    LocalNamespaceFiles,
    LocalNamespaces,
    NamespaceFiles,
    Namespaces,
    RemoteNamespaceFiles,
    RemoteNamespaces,
)
from flows.management.targets.people import LocalPeople, People, RemotePeople
from flows.management.targets.server import Server
from flows.management.targets.triggers import LocalTriggers, RemoteTriggers, Triggers

__all__ = ["Target", "local_target", "remote_target"]


@dataclass(frozen=True, slots=True)
class Target:
    """One installation by its parts; `server` is None for our own."""

    flows: Flows
    executions: Executions
    triggers: Triggers
    logs: Logs
    keys: Keys
    namespaces: Namespaces
    files: NamespaceFiles
    people: People
    server: Server | None = None


def local_target() -> Target:
    """Return the installation whose database this process is connected to."""
    return Target(
        LocalFlows(),
        LocalExecutions(),
        LocalTriggers(),
        LocalLogs(),
        LocalKeys(),
        LocalNamespaces(),
        LocalNamespaceFiles(),
        LocalPeople(),
    )


def remote_target(server: Server) -> Target:
    """Return the installation behind a REST API."""
    return Target(
        RemoteFlows(server),
        RemoteExecutions(server),
        RemoteTriggers(server),
        RemoteLogs(server),
        RemoteKeys(server),
        RemoteNamespaces(server),
        RemoteNamespaceFiles(server),
        RemotePeople(server),
        server,
    )
