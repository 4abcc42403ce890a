"""Properties that only PostgreSQL has."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from flows.plugin_api.fields import Mark, Output, Prop, Properties, Secret
from flows.plugin_api.value_types import StorageUri, Text
from plugins.jdbc.properties import BatchProperties, ConnectionProperties, QueriesProperties, QueryProperties, TriggerProperties


class SslMode(StrEnum):
    """How far the connection must be protected."""

    DISABLE = "DISABLE"
    ALLOW = "ALLOW"
    PREFER = "PREFER"
    REQUIRE = "REQUIRE"
    VERIFY_CA = "VERIFY_CA"
    VERIFY_FULL = "VERIFY_FULL"


class CopyFormat(StrEnum):
    """Format of the data."""

    TEXT = "TEXT"
    CSV = "CSV"
    BINARY = "BINARY"


class SslProperties(Properties):
    """Encryption of the connection. Certificates and keys are PEM text."""

    ssl: Annotated[Prop[bool], Mark(group="connection")] = Field(
        default=False, description="Encrypt; without sslMode this means VERIFY_FULL."
    )
    ssl_mode: Annotated[Prop[SslMode] | None, Mark(group="connection")] = Field(default=None, description="How strict to be.")
    ssl_root_cert: Annotated[Prop[str] | None, Mark(group="connection")] = Field(
        default=None, description="Certificate of the authority that signed the server's, as PEM text."
    )
    ssl_cert: Annotated[Prop[str] | None, Mark(group="connection")] = Field(
        default=None, description="Certificate of the client, as PEM text."
    )
    ssl_key: Annotated[Secret[str] | None, Mark(group="connection")] = Field(
        default=None, description="Private key of the client, as PEM text."
    )
    ssl_key_password: Annotated[Secret[str] | None, Mark(group="connection")] = Field(
        default=None, description="Password of the private key."
    )


class PostgresQueryProperties(QueryProperties, SslProperties):
    """Properties of Query."""


class PostgresQueriesProperties(QueriesProperties, SslProperties):
    """Properties of Queries."""


class PostgresBatchProperties(BatchProperties, SslProperties):
    """Properties of Batch."""


class PostgresTriggerProperties(TriggerProperties, SslProperties):
    """Properties of Trigger."""


class CopyProperties(ConnectionProperties, SslProperties):
    """What CopyIn and CopyOut share: the options of COPY."""

    table: Prop[str] | None = Field(default=None, description="Table, optionally with its schema.")
    columns: Prop[list[Text]] | None = Field(default=None, description="Columns, in the order of the data; all when absent.")
    format: Prop[CopyFormat] = Field(default=CopyFormat.TEXT, description="TEXT, CSV or BINARY.")
    header: Prop[bool] | None = Field(default=None, description="Whether the first line holds the column names.")
    delimiter: Prop[str] | None = Field(default=None, min_length=1, max_length=1, description="Character between values.")
    null_string: Prop[str] | None = Field(default=None, description="Text that stands for null.")
    quote: Prop[str] | None = Field(default=None, min_length=1, max_length=1, description="Quote character (CSV).")
    escape: Prop[str] | None = Field(
        default=None, min_length=1, max_length=1, description="Character before a quote inside quotes (CSV)."
    )
    force_quote: Prop[list[Text]] | None = Field(
        default=None, description="Columns that are always quoted (CopyOut, CSV); * for all."
    )
    force_not_null: Prop[list[Text]] | None = Field(default=None, description="Columns never taken as null (CopyIn, CSV).")
    force_null: Prop[list[Text]] | None = Field(default=None, description="Columns whose quoted null text is null (CopyIn, CSV).")
    freeze: Prop[bool] | None = Field(default=None, description="Write rows as if vacuum had run (CopyIn).")
    encoding: Prop[str] | None = Field(default=None, description="Encoding of the data, such as UTF8 or LATIN1.")
    oids: Annotated[Prop[bool] | None, Mark(deprecated="PostgreSQL 12 removed it.", group="deprecated")] = Field(
        default=None, description="Accepted and ignored."
    )
    socket_timeout: Annotated[Prop[int] | None, Mark(group="advanced")] = Field(
        default=None, description="Accepted for compatibility: use the timeout of the task."
    )


class CopyInProperties(CopyProperties):
    """Properties of CopyIn."""

    from_: Prop[StorageUri] = Field(description="Address of the file to load.")


class CopyOutProperties(CopyProperties):
    """Properties of CopyOut."""

    sql: Annotated[Prop[str] | None, Mark(language="sql")] = Field(
        default=None, description="Query whose rows are written; instead of table."
    )


class CopyInOutput(Output):
    """What was loaded."""

    row_count: int = Field(description="Rows loaded.")


class CopyOutOutput(Output):
    """What was written."""

    uri: str = Field(description="Address of the file.")
    row_count: int = Field(description="Rows written.")
