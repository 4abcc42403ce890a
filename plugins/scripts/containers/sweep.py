"""Removing the containers of task runs that are over: their worker was lost, and no attempt came back for them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import docker

from plugins.scripts.containers.connection import ENGINE_ERRORS, connected
from plugins.scripts.containers.labels import INSTALLATION, REMOVABLE, TASK_RUN, name_installation


def remove_orphans(config: Callable[[str, Any], Any], list_open: Callable[[Collection[str]], Collection[str]]) -> int:
    """
    Remove the containers of this installation, on the server's own engine, whose task run is over; return how many.

    `list_open` says which of some task runs are not over. Safe to call at any time and by several processes at once: a container
    whose task run may still come back for it is left alone.

    Raises:
        TaskFailure: the engine does not answer.
    """
    removed = 0
    labels = [f"{INSTALLATION}={name_installation(config)}", f"{REMOVABLE}=true"]
    with connected(None, config) as client:
        # Asked for before the task runs are: a container made in between belongs to a task run that is open.
        found = client.containers(all=True, filters={"label": labels})
        runs = {container["Labels"].get(TASK_RUN, "") for container in found}
        is_open = set(list_open(runs)) if runs else set()
        for container in found:
            if container["Labels"].get(TASK_RUN, "") not in is_open:
                removed += _remove(client, str(container["Id"]))
    return removed


def _remove(client: docker.APIClient, container_id: str) -> bool:
    try:
        client.remove_container(container_id, v=True, force=True)
    except ENGINE_ERRORS:
        return False
    return True
