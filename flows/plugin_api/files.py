"""Property shapes for files that several plugin families share."""

from __future__ import annotations

from typing import Literal

from flows.plugin_api.fields import Field, Prop, Properties, Text


class NamespaceFilesOptions(Properties):
    """
    Which namespace files are copied into a working directory before a run; `namespaceFiles: true` means all of the flow's
    namespace. Patterns follow the namespace glob rules; `namespaces` empty means the flow's own.
    """

    enabled: Prop[bool] = True
    include: Prop[list[Text]] = Field(default=[])
    exclude: Prop[list[Text]] = Field(default=[])
    namespaces: Prop[list[Text]] = Field(default=[])
    if_exists: Prop[Literal["OVERWRITE", "FAIL", "WARN", "IGNORE"]] = "OVERWRITE"
    folder_per_namespace: Prop[bool] = False
