"""Tasks for the key-value store."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from flows.plugin_api.context import RunContext
from flows.plugin_api.fields import Duration, Field, Mark, Moment, Prop, Properties
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.tasks import RunnableTask, TaskFailure
from flows.primitives.errors import NotFoundError
from plugins.core.purging import NamespaceChoice, namespace_options, version_limit

_KEY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")


class KeyProperties(Properties):
    """The namespace of all key-value tasks."""

    namespace: Prop[str] | None = Field(default=None, description="The flow's own when absent.")


class OneKeyProperties(KeyProperties):
    """Properties of the tasks that name one key."""

    key: Prop[str] = Field(description="Letters, digits, dots, underscores and dashes, starting with a letter or digit.")


def _check_key(key: str) -> str:
    if _KEY.fullmatch(key) is None:
        raise TaskFailure(
            f'"{key}" is no key. Expected letters, digits and . _ - after a first letter or digit.',
            permanent=True,
        )
    return key


class Set(RunnableTask):
    """Store a value under a key."""

    type = "io.kestra.plugin.core.kv.Set"
    title = "Store a value"
    light = True
    examples = (
        """
        id: remember
        namespace: company.team
        tasks:
          - id: store
            type: io.kestra.plugin.core.kv.Set
            key: last_run
            value: "{{ execution.startDate }}"
            kvType: DATETIME
            ttl: P30D
        """,
    )

    class Props(OneKeyProperties):
        value: Prop[Any] = Field(description="A single expression keeps the type of its value.")
        overwrite: Prop[bool] = Field(default=True, description="False: a key that exists fails the task.")
        ttl: Prop[Duration] | None = Field(default=None, description="How long the value lives; for ever when absent.")
        kv_type: Prop[Literal["STRING", "NUMBER", "BOOLEAN", "DATETIME", "DATE", "DURATION", "JSON"]] | None = Field(
            default=None, description="Type to convert the value to; the type of the value when absent."
        )
        kv_description: Prop[str] | None = None

    def run(self, context: RunContext, props: Props) -> None:
        """Store the value. Raises ConflictError for a key that exists, InvalidError for a value of another type."""
        context.kv.set(
            _check_key(props.key),
            props.value,
            namespace=props.namespace,
            kind=props.kv_type,
            ttl=props.ttl,
            overwrite=props.overwrite,
            description=props.kv_description,
        )


class Get(RunnableTask):
    """Read the value of a key of one namespace; parents are not searched."""

    type = "io.kestra.plugin.core.kv.Get"
    title = "Read a value"
    light = True
    examples = (
        """
        id: recall
        namespace: company.team
        tasks:
          - {id: read, type: io.kestra.plugin.core.kv.Get, key: last_run, errorOnMissing: false}
          - {id: show, type: io.kestra.plugin.core.log.Log, message: "{{ outputs.read.value ?? 'never' }}"}
        """,
    )

    class Props(OneKeyProperties):
        error_on_missing: Prop[bool] = Field(default=True, description="False: a missing key gives null.")

    class Output(TaskOutput):
        value: Any

    def run(self, context: RunContext, props: Props) -> Output:
        """Return the value. Raises NotFoundError when it is missing or expired, unless told otherwise."""
        try:
            return self.Output(value=context.kv.get(_check_key(props.key), namespace=props.namespace))
        except NotFoundError:
            if props.error_on_missing:
                raise
            return self.Output(value=None)


class GetKeys(RunnableTask):
    """List the keys of a namespace."""

    type = "io.kestra.plugin.core.kv.GetKeys"
    title = "List keys"
    light = True
    examples = (
        """
        id: all_keys
        namespace: company.team
        tasks:
          - {id: list, type: io.kestra.plugin.core.kv.GetKeys, prefix: last_}
        """,
    )

    class Props(KeyProperties):
        prefix: Prop[str] = Field(default="", description="Only keys that start with this.")

    class Output(TaskOutput):
        keys: list[str]

    def run(self, context: RunContext, props: Props) -> Output:
        """Return the keys in lexical order, expired ones left out."""
        return self.Output(keys=sorted(context.kv.keys(prefix=props.prefix, namespace=props.namespace)))


class Delete(RunnableTask):
    """Delete a key."""

    type = "io.kestra.plugin.core.kv.Delete"
    title = "Delete a key"
    light = True
    examples = (
        """
        id: forget
        namespace: company.team
        tasks:
          - {id: drop, type: io.kestra.plugin.core.kv.Delete, key: last_run}
        """,
    )

    class Props(OneKeyProperties):
        error_on_missing: Prop[bool] = False

    class Output(TaskOutput):
        deleted: bool

    def run(self, context: RunContext, props: Props) -> Output:
        """Delete the key and tell whether it was there. Raises TaskFailure when it was not, if told so."""
        deleted = context.kv.delete(_check_key(props.key), namespace=props.namespace)
        if not deleted and props.error_on_missing:
            raise TaskFailure(f'The key "{props.key}" to delete does not exist.')
        return self.Output(deleted=deleted)


class KeyBehavior(Properties):
    """What PurgeKV removes: keys (`type: key`) or old versions of them (`type: version`)."""

    type: Prop[Literal["key", "version"]] = "key"
    expired_only: Prop[bool] = Field(default=True, description="With `key`: false removes living keys, too.")
    keep_amount: Prop[int] | None = Field(default=None, ge=1, description="With `version`: how many stay.")
    before: Prop[Moment] | None = Field(default=None, description="With `version`: older ones go.")


class PurgeKV(RunnableTask):
    """Delete expired keys, or old versions of values."""

    type = "io.kestra.plugin.core.kv.PurgeKV"
    title = "Delete expired keys"
    examples = (
        """
        id: tidy_keys
        namespace: system
        tasks:
          - {id: purge, type: io.kestra.plugin.core.kv.PurgeKV, namespaces: [company]}
        """,
    )

    class Props(NamespaceChoice):
        key_pattern: Prop[str] | None = Field(default=None, description="Glob of keys; all when absent.")
        behavior: KeyBehavior | None = None
        expired_only: Annotated[Prop[bool] | None, Mark(deprecated='Use "behavior".')] = None

    class Output(TaskOutput):
        size: int = Field(description="Number of deleted keys or versions.")

    def run(self, context: RunContext, props: Props) -> Output:
        """Delete and count."""
        behavior = props.behavior or KeyBehavior.model_validate({"expiredOnly": props.expired_only is not False})
        options: dict[str, Any] = {"type": behavior.type}
        if behavior.type == "key":
            options["expiredOnly"] = behavior.expired_only
        else:
            options |= version_limit(behavior.keep_amount, behavior.before)
        size = context.kv.purge(**namespace_options(props), key_pattern=props.key_pattern, behavior=options)
        return self.Output(size=size)
