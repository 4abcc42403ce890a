"""Getting the image of a container: pull policy, logins, and another try when the registry has a bad moment."""

from __future__ import annotations

import base64
import json
import queue
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import docker
from docker.auth import resolve_repository_name
from docker.utils import parse_repository_tag

from flows.plugin_api.context import RunContext
from flows.plugin_api.tasks import TaskFailure
from plugins.scripts.containers.connection import ENGINE_ERRORS, explain
from plugins.scripts.docker_properties import DockerCredentials, DockerProperties, PullPolicy
from plugins.scripts.stopping import LOOK_SECONDS

_TRIES = 3
_PAUSE_SECONDS = 1.0
# What trying again cannot change. Registries have no common code for it.
_FINAL_WORDS = ("not found", "manifest unknown", "denied", "unauthorized", "does not exist", "invalid reference")
_HUB = ("index.docker.io", "docker.io")


def ensure_image(
    client: docker.APIClient, image: str, props: DockerProperties, context: RunContext, find_stop_cause: Callable[[], str]
) -> None:
    """
    Have the engine own `image`, pulled if the policy asks for it. Returns early when the run has to stop.

    Raises:
        TaskFailure: the image cannot be had; permanent when another try cannot help.
    """
    if props.pull_policy is not PullPolicy.ALWAYS and _is_present(client, image):
        return
    if props.pull_policy is PullPolicy.NEVER:
        raise TaskFailure(
            f'The image "{image}" is not on the container engine, and "pullPolicy: NEVER" forbids to fetch it. '
            "Pull or build it there, or change the policy to IF_NOT_PRESENT.",
            permanent=True,
        )
    login = _find_login(image, props, context)
    began = time.monotonic()
    context.log.debug(f'Pulling the image "{image}".')
    for tried in range(1, _TRIES + 1):
        fault = _pull(client, image, login, find_stop_cause)
        if find_stop_cause():
            return
        if not fault:
            context.log.debug(f'The image "{image}" was pulled in {time.monotonic() - began:.1f} s.')
            return
        is_final = any(word in fault.lower() for word in _FINAL_WORDS)
        if is_final or tried == _TRIES:
            break
        context.log.warning(f'The image "{image}" could not be pulled, try {tried} of {_TRIES}: {fault}.')
        if context.cancelled.wait(_PAUSE_SECONDS * tried):
            return
    raise TaskFailure(
        f'The image "{image}" could not be pulled: {fault}. Check its name, that the engine reaches the registry, and the '
        'login in "credentials"; an image that is already on the engine needs no pull with "pullPolicy: IF_NOT_PRESENT".',
        permanent=is_final,
    )


def _is_present(client: docker.APIClient, image: str) -> bool:
    try:
        client.inspect_image(image)
    except docker.errors.ImageNotFound:
        return False
    except docker.errors.APIError as error:
        raise TaskFailure(f'The container engine cannot tell whether it has the image "{image}": {explain(error)}.') from error
    return True


def _pull(client: docker.APIClient, image: str, login: dict[str, str] | None, find_stop_cause: Callable[[], str]) -> str:
    """Pull once and return why it failed, empty when it did not. A pull that has to stop is left to the engine."""
    ended: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: ended.put(_follow_pull(client, image, login)), name="image-pull", daemon=True).start()
    while not find_stop_cause():
        try:
            return ended.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            continue
    return ""


def _follow_pull(client: docker.APIClient, image: str, login: dict[str, str] | None) -> str:
    repository, tag = parse_repository_tag(image)
    try:
        # Without a tag the engine would fetch all of them. Read to its end, the answer frees its connection.
        steps = client.pull(repository, tag=tag or "latest", auth_config=login, stream=True, decode=True)
        faults = [str(step["error"]) for step in steps if step.get("error")]
    except (*ENGINE_ERRORS, OSError, ValueError) as error:
        return explain(error)
    return " ".join(faults[-1].split()).rstrip(".") if faults else ""


def _find_login(image: str, props: DockerProperties, context: RunContext) -> dict[str, str] | None:
    """Return the login for the registry of `image`; None leaves it to what the worker's own client is logged in to."""
    if props.credentials is not None:
        return read_credentials(props.credentials, context)
    if not props.config:
        return None
    config = props.config
    if isinstance(config, str):
        try:
            config = json.loads(config)
        except ValueError as error:
            raise TaskFailure(
                f'Property "config" must be JSON, as in a client\'s config.json: {error}.', permanent=True
            ) from error
    return _find_in_config(image, config, context)


def _find_in_config(image: str, config: Any, context: RunContext) -> dict[str, str] | None:
    logins = config.get("auths") if isinstance(config, Mapping) else None
    if not isinstance(logins, Mapping):
        raise TaskFailure('Property "config" must have a map "auths" from registry to login.', permanent=True)
    try:
        registry, _ = resolve_repository_name(image)
    except docker.errors.DockerException as error:
        raise TaskFailure(f'"{image}" is no name of an image: {explain(error)}.', permanent=True) from error
    for address, login in logins.items():
        host = re.sub(r"^https?://", "", str(address)).partition("/")[0].replace(*_HUB)
        if host == registry and isinstance(login, Mapping):
            known = {name: login.get(name) for name in ("username", "password", "auth")}
            return read_credentials(DockerCredentials(registry=host, identity_token=login.get("identitytoken"), **known), context)
    return None


def read_credentials(given: DockerCredentials, context: RunContext) -> dict[str, str]:
    """
    Return `given` as the engine wants a login, its secrets masked from now on.

    Raises:
        TaskFailure: `auth` is not the base64 form of user name and password.
    """
    username, password = given.username, given.password
    if given.auth:
        try:
            username, _, password = base64.b64decode(given.auth, validate=True).decode().partition(":")
        except ValueError as error:
            raise TaskFailure(
                'Property "credentials.auth" must be "user:password" in base64, as in a client\'s config.json.',
                permanent=True,
            ) from error
    login = {
        "username": username,
        "password": password,
        "serveraddress": given.registry,
        "identitytoken": given.identity_token,
        "registrytoken": given.registry_token,
    }
    for secret in (password, given.auth, given.identity_token, given.registry_token):
        if secret:
            context.mask(secret)
    return {name: value for name, value in login.items() if value}
