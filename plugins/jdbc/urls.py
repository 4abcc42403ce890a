"""Reading database addresses as users of JDBC write them. No connection is made here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote


class UrlError(ValueError):
    """An address cannot be read; the text says what is wrong and how one looks, and never repeats a password."""


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """
    A database address.

    Attributes:
        subprotocol: which database, such as `postgresql`.
        hosts: pairs of host and port, in order of preference; the port is None when it is not written. May be empty.
        database: name after the slash; empty when it is not written.
        user, password: from the part before `@` of a native address, None when absent.
        parameters: what follows the question mark, decoded; keys keep their spelling.
    """

    subprotocol: str
    hosts: tuple[tuple[str, int | None], ...] = ()
    database: str = ""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    parameters: dict[str, str] = field(default_factory=dict, repr=False)


_URL = re.compile(
    r"(?P<scheme>[A-Za-z][\w+.-]*):(?://(?P<authority>[^/?]*)/?)?(?P<database>[^?]*)(?:\?(?P<query>.*))?", re.DOTALL
)
_HOST = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d*))?")


def parse_url(text: str) -> DatabaseUrl:
    """
    Return the parts of `jdbc:<database>://host:port,host:port/name?key=value`, or of the same without `jdbc:`.

    Raises:
        UrlError: the text is no such address.

    Source: plugins, 2.1, "URL".
    """
    match = _URL.fullmatch(text.strip().removeprefix("jdbc:"))
    if match is None:
        raise UrlError("The database address must look like jdbc:postgresql://host:5432/database.")
    login, _, hosts = (match["authority"] or "").rpartition("@")
    user, has_password, password = login.partition(":")
    return DatabaseUrl(
        subprotocol=match["scheme"].lower(),
        hosts=tuple(_read_host(part) for part in hosts.split(",") if part),
        database=unquote(match["database"]),
        user=unquote(user) or None,
        password=unquote(password) if has_password else None,
        parameters=_read_query(match["query"] or ""),
    )


def _read_host(text: str) -> tuple[str, int | None]:
    match = _HOST.fullmatch(text)
    if match is None:
        raise UrlError(f'The database address has the host "{text}"; write host:port, and an IPv6 address in brackets.')
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        raise UrlError(f'The database address has the port "{port}"; ports are 1 to 65535.')
    return unquote(match["six"] or match["name"]), port


def _read_query(text: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for pair in filter(None, text.split("&")):
        key, _, value = pair.partition("=")
        parameters[unquote(key)] = unquote(value)
    return parameters
