"""From JDBC address and SSL properties to the options of libpq. Nothing is connected here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.plugin_api.context import RunContext
from flows.plugin_api.tasks import TaskFailure
from plugins.jdbc.postgresql.properties import SslMode
from plugins.jdbc.urls import UrlError, parse_url

SUBPROTOCOLS = ("postgresql", "postgres")

_SAME = {
    "user": "user", "password": "password", "sslmode": "sslmode", "sslrootcert": "sslrootcert", "sslcert": "sslcert",
    "sslkey": "sslkey", "sslpassword": "sslpassword", "sslnegotiation": "sslnegotiation", "channelbinding": "channel_binding",
    "gssencmode": "gssencmode", "requireauth": "require_auth", "options": "options", "connecttimeout": "connect_timeout",
    "logintimeout": "connect_timeout", "connect_timeout": "connect_timeout", "host": "host", "port": "port",
    "kerberosservername": "krbsrvname", "target_session_attrs": "target_session_attrs",
}  # fmt: skip
"""JDBC parameter, in lower case, to libpq option."""

_TARGETS = {
    "any": "any", "primary": "primary", "master": "primary", "secondary": "standby", "slave": "standby",
    "prefersecondary": "prefer-standby", "preferslave": "prefer-standby", "preferprimary": "any",
}  # fmt: skip

_HARMLESS = frozenset(
    {
        "applicationname", "preparethreshold", "rewritebatchedinserts", "defaultrowfetchsize", "stringtype", "binarytransfer",
        "tcpkeepalive", "loglevel", "loggerlevel", "autosave", "assumeminserverversion", "readonly", "sockettimeout",
        "preparedstatementcachequeries", "prefersimplequery", "preparedstatementcachesizemib", "preferquerymode",
        "loadbalancehosts", "hostrecheckseconds", "canceltimeout", "allowencodingchanges", "escapesyntaxcallmode",
        "quotereturningidentifiers",
    }
)  # fmt: skip
"""JDBC parameters without a meaning here: they tune that driver."""

_NON_VALIDATING = "org.postgresql.ssl.nonvalidatingfactory"


def build_options(context: RunContext, props: Any, folder: Path) -> dict[str, Any]:
    """
    Return libpq options for a connection.

    `username` and `password` of the task go before those of the address. An unknown parameter of the address gives one
    warning; one that concerns security and cannot be mapped is refused. PEM texts are written to `folder`, mode 0600.

    Raises:
        TaskFailure: the address cannot be read, is for another database, or asks for protection that cannot be given.

    Source: plugins, 2.1 and 3.1.
    """
    try:
        address = parse_url(props.url)
    except UrlError as error:
        raise TaskFailure(f'Property "url": {error}', permanent=True) from error
    if address.subprotocol not in SUBPROTOCOLS:
        raise TaskFailure(
            f'Property "url" is an address of "{address.subprotocol}"; this task needs one such as jdbc:postgresql://host:5432/database.',
            permanent=True,
        )
    options: dict[str, Any] = (
        {"host": "localhost", "port": "5432"} if not address.hosts and "host" not in address.parameters else {}
    )
    if address.hosts:
        options["host"] = ",".join(host or "localhost" for host, _ in address.hosts)
        options["port"] = ",".join(str(port or 5432) for _, port in address.hosts)
    options.update({"user": address.user, "password": address.password})
    options.update(_map_parameters(context, address.parameters))
    options.update({k: v for k, v in (("user", props.username), ("password", props.password)) if v is not None})
    options["dbname"] = address.database or options.get("user")
    options.update(_ssl_options(props, folder))
    return {key: value for key, value in options.items() if value is not None}


def _map_parameters(context: RunContext, parameters: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    unknown = []
    for name, value in parameters.items():
        key = name.lower()
        if key in _SAME:
            options[_SAME[key]] = value
        elif key == "currentschema":
            options["options"] = f"-c search_path={value.replace(chr(92), chr(92) * 2).replace(' ', chr(92) + ' ')}"
        elif key == "targetservertype":
            options["target_session_attrs"] = _TARGETS.get(value.lower(), value)
        elif key == "ssl":
            if value.lower() in {"", "true"}:
                options.setdefault("sslmode", "verify-full")
        elif key == "sslfactory" and value.lower() == _NON_VALIDATING:
            options["sslmode"] = "require"
        elif key.startswith(("ssl", "gss", "channel", "kerberos", "jaas", "require", "auth", "socketfactory", "xml")):
            raise TaskFailure(
                f'Parameter "{name}" of the database address concerns security and cannot be honoured here. '
                "Take it out, or use sslMode, sslRootCert, sslCert and sslKey of the task.",
                permanent=True,
            )
        elif key not in _HARMLESS:
            unknown.append(name)
    if unknown:
        context.log.warning(f"Unknown parameters of the database address are ignored: {', '.join(unknown)}.")
    return options


def _ssl_options(props: Any, folder: Path) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if props.ssl_mode is not None:
        options["sslmode"] = SslMode(props.ssl_mode).value.lower().replace("_", "-")
    elif props.ssl:
        options["sslmode"] = "verify-full"
    for option, text in (("sslrootcert", props.ssl_root_cert), ("sslcert", props.ssl_cert), ("sslkey", props.ssl_key)):
        if text:
            path = folder / f"{option}.pem"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text if text.endswith("\n") else text + "\n")
            options[option] = str(path)
    if props.ssl_key_password:
        options["sslpassword"] = props.ssl_key_password
    return options
