"""The properties of the Docker runner. Source: core tasks, 10.4."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from flows.plugin_api.fields import Mark, Prop, Properties, Secret
from flows.plugin_api.value_types import Duration, Text


class PullPolicy(StrEnum):
    """When an image is fetched from its registry."""

    ALWAYS = "ALWAYS"
    IF_NOT_PRESENT = "IF_NOT_PRESENT"
    NEVER = "NEVER"


class FileHandling(StrEnum):
    """How the working directory gets into the container: copied into a volume, or the worker's own folder."""

    VOLUME = "VOLUME"
    MOUNT = "MOUNT"


class DockerCredentials(Properties):
    """How to log in to an image registry."""

    registry: Prop[str] | None = Field(default=None, description="Address of the registry; that of the image by default.")
    username: Prop[str] | None = Field(default=None, description="User name.")
    password: Secret[str] | None = Field(default=None, description="Password.")
    registry_token: Secret[str] | None = Field(default=None, description="Token of the registry.")
    identity_token: Secret[str] | None = Field(default=None, description="Identity token.")
    auth: Secret[str] | None = Field(default=None, description="User name and password as base64, as Docker stores them.")


class DockerCpu(Properties):
    """Processor limits."""

    cpus: Prop[float] | None = Field(default=None, gt=0, description="Number of processor cores, also parts such as 0.5.")


class DockerMemory(Properties):
    """Memory limits, as sizes such as 512MB."""

    memory: Prop[str] | None = Field(default=None, description="Most memory; the server's default limit when not given.")
    memory_swap: Prop[str] | None = Field(
        default=None, description="Most memory and swap together, -1 for any; by default as much as memory, so no swap."
    )
    memory_swappiness: Prop[str] | None = Field(default=None, description="How readily pages are swapped, 0 to 100.")
    memory_reservation: Prop[str] | None = Field(default=None, description="Soft limit.")
    kernel_memory: Prop[str] | None = Field(default=None, description="Most kernel memory; current engines do not use it.")
    oom_kill_disable: Prop[bool] | None = Field(default=None, description="Do not kill when out of memory.")


class DeviceRequest(Properties):
    """Devices, such as graphics processors."""

    driver: Prop[str] | None = Field(default=None, description="Name of the device driver.")
    count: Prop[int] | None = Field(default=None, description="How many; -1 for all.")
    device_ids: Prop[list[Text]] | None = Field(default=None, description="Which ones.")
    capabilities: Prop[list[list[Text]]] | None = Field(default=None, description="What they must be able to do.")
    options: Prop[dict[str, Text]] | None = Field(default=None, description="Options of the driver.")


class DockerProperties(Properties):
    """Everything that a flow may say about its container; the operator's settings decide what of it is granted."""

    image: Annotated[Prop[str] | None, Mark(deprecated='Use "containerImage" of the task.')] = Field(
        default=None, description="Image; only inside the old property docker."
    )
    host: Prop[str] | None = Field(
        default=None, description="Address of the engine: unix://, tcp://, http:// or https://. The server's own by default."
    )
    config: Prop[dict[str, Any] | str] | None = Field(
        default=None, description="Content of a client's config.json, for its logins to registries."
    )
    credentials: DockerCredentials | None = Field(default=None, description="How to log in to the registry.")
    user: Prop[str] | None = Field(default=None, description="User inside the container: name or id, also user:group.")
    entry_point: Prop[list[Text]] = Field(default=[""], description="Replaces the image's entry point; empty text clears it.")
    extra_hosts: Prop[list[Text]] | None = Field(default=None, description="Additional host names, as name:address.")
    network_mode: Prop[str] | None = Field(
        default=None, description="Network of the container: bridge, none or the name of one. Others only if the operator allows."
    )
    volumes: Prop[list[Text]] | None = Field(
        default=None,
        description="Folders of the host, as /host:/container[:ro]; ignored unless the operator allows them.",
    )
    pull_policy: Prop[PullPolicy] = Field(default=PullPolicy.IF_NOT_PRESENT, description="When the image is fetched.")
    device_requests: list[DeviceRequest] | None = Field(default=None, description="Devices to offer.")
    cpu: DockerCpu | None = Field(default=None, description="Processor limits.")
    memory: DockerMemory | None = Field(default=None, description="Memory limits.")
    shm_size: Prop[str] | None = Field(default=None, description="Size of the shared memory, such as 128MB.")
    file_handling_strategy: Prop[FileHandling] = Field(
        default=FileHandling.VOLUME,
        description="VOLUME copies the working directory in and out; MOUNT lends the folder to an engine on the same host.",
    )
    delete: Prop[bool] = Field(default=True, description="Remove the container and its volume afterwards.")
    wait: Prop[bool] = Field(default=True, description="False starts the container and leaves it to itself.")
    kill_grace_period: Prop[Duration] | None = Field(
        default=None,
        ge=timedelta(0),
        description="Time between the polite and the forced end, at most 10 seconds; 5 seconds by default.",
    )
    resume: Prop[bool] = Field(
        default=True, description="Go on with the container that a lost worker left, instead of starting a second one."
    )
    privileged: Prop[bool] | None = Field(
        default=None, description="Give the container all rights of the host; refused unless the operator allows it."
    )
    port_bindings: Prop[list[Text]] | None = Field(default=None, description="Ports to publish, as host:container.")
