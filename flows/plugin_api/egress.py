"""
Guard of outgoing HTTP: which addresses a task may reach. The address that is connected to is the one that was checked.

Not a guard of database, broker or file protocols.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

import httpx

from flows.primitives.errors import ForbiddenError

MAX_REDIRECTS = 5

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")


class EgressError(ForbiddenError):
    """A task tried to reach an address that this server does not let it reach."""

    code = "egress-denied"


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """
    What may be reached. Metadata addresses of clouds never; with `deny_private` only public addresses and the hosts that
    `allowed_hosts` names.
    """

    deny_private: bool = False
    allowed_hosts: frozenset[str] = frozenset()

    def check(self, host: str, address: str) -> None:
        """Raise EgressError when the numeric `address`, to which `host` resolved, may not be reached."""
        for found in _meanings(ipaddress.ip_address(address.partition("%")[0])):
            if found in _METADATA:
                raise EgressError(f'"{host}" is the address of a cloud metadata service ({found}), which tasks never reach.')
            if self.deny_private and host.lower() not in self.allowed_hosts and not _is_public(found):
                raise EgressError(
                    f'"{host}" is the private address {found}, which this server does not let tasks reach. '
                    "An operator can allow the host, or private addresses altogether."
                )

    def resolve(self, host: str, port: int) -> list[str]:
        """
        Return the numeric addresses of a host that may be reached, best first.

        Raises:
            EgressError: one of its addresses may not be reached.
            OSError: the name does not resolve.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            self.check(host, address)
        return addresses


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast


def _meanings(address: Address) -> list[Address]:
    """Return an address and the IPv4 addresses that hide in it."""
    found: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        hidden = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        found += [inner for inner in hidden if inner is not None]
        if (address in _NAT64 or address in _COMPATIBLE) and int(address) & 0xFFFFFFFF > 1:
            found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return found


class GuardedTransport(httpx.HTTPTransport):
    """
    An httpx transport that resolves a host, checks every address and connects to a checked one, for each redirect anew.

    Through a proxy the proxy connects; then the name is checked as this server resolves it.
    """

    def __init__(self, policy: EgressPolicy, *, verify: object = True, proxy: httpx.Proxy | None = None) -> None:
        # No connection is kept: one made for a host must not serve another that has the same address.
        limits = httpx.Limits(max_keepalive_connections=0)
        # What httpx calls a path, a flag or a context of TLS.
        super().__init__(verify=verify, proxy=proxy, limits=limits, trust_env=False)  # type: ignore[arg-type]
        self._policy = policy
        self._is_proxied = proxy is not None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to a checked address. Raises EgressError, or what httpx raises."""
        if request.url.scheme not in ("http", "https") or not request.url.host:
            raise EgressError(f'Only http and https addresses are reached; got "{request.url.scheme}".')
        host = request.url.host
        try:
            addresses = self._policy.resolve(host, request.url.port or (443 if request.url.scheme == "https" else 80))
        except (OSError, UnicodeError) as error:
            if self._is_proxied:
                return super().handle_request(request)
            raise httpx.ConnectError(f'the host "{host}" cannot be resolved: {error}', request=request) from error
        if self._is_proxied:
            return super().handle_request(request)
        for address in addresses[:-1]:
            try:
                return super().handle_request(_addressed(request, address))
            except httpx.ConnectError:
                continue
        return super().handle_request(_addressed(request, addresses[-1]))


def _addressed(request: httpx.Request, address: str) -> httpx.Request:
    """Return the request with a numeric host. `Host` header and TLS name stay those of the original."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )
