"""Which addresses tasks may reach, in all the spellings that mean them."""

from __future__ import annotations

import ipaddress

import httpx
import pytest

from flows.plugin_api.egress import EgressError, EgressPolicy, GuardedTransport

OPEN = EgressPolicy()
CLOSED = EgressPolicy(deny_private=True, allowed_hosts=frozenset({"intern.example"}))

METADATA = [
    "169.254.169.254", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::169.254.169.254", "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1", "fd00:ec2::254", "fd00:0ec2:0:0:0:0:0:254", "169.254.170.2", "100.100.100.200",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1",
    "169.254.1.1", "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fd12:3456::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "::10.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::1", "2001:db8::1", "::ffff:192.168.1.1",
    "::ffff:0.0.0.0", "64:ff9b::c0a8:101", "2002:c0a8:101::",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", METADATA)
def test_metadata_addresses_are_never_reached(address):
    for policy in (OPEN, CLOSED, EgressPolicy(allowed_hosts=frozenset({"x"}))):
        with pytest.raises(EgressError):
            policy.check("x", address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_only_when_told_so(address):
    OPEN.check("x", address)
    with pytest.raises(EgressError):
        CLOSED.check("x", address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_reached(address):
    CLOSED.check("x", address)


def test_an_allowed_host_may_be_private():
    CLOSED.check("Intern.Example", "10.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "[::1]"])
def test_every_spelling_of_the_own_machine_is_refused(host):
    """Spellings that the client or the system does not understand end as an error of theirs, which is as good."""
    transport = GuardedTransport(CLOSED)

    with pytest.raises((EgressError, httpx.ConnectError, httpx.InvalidURL)):
        transport.handle_request(httpx.Request("GET", f"http://{host}:1/"))


@pytest.mark.parametrize("host", ["2852039166", "0xa9fea9fe", "169.254.43518", "0251.0376.0251.0376"])
def test_every_spelling_of_a_metadata_address_is_refused(host):
    transport = GuardedTransport(OPEN)

    with pytest.raises((EgressError, httpx.ConnectError, httpx.InvalidURL), match=r"metadata|resolved|Invalid"):
        transport.handle_request(httpx.Request("GET", f"http://{host}/"))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/", "gopher://example.com/"])
def test_other_schemes_are_refused(url):
    with pytest.raises(EgressError):
        GuardedTransport(OPEN).handle_request(httpx.Request("GET", url))


def test_a_name_whose_answer_changes_is_reached_only_where_it_was_checked(monkeypatch):
    """The name is looked up once; the connection goes to the address that was checked."""
    asked = []

    def resolve(host, port, **_):
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(2, 1, 6, "", (address, port))] if host == "flips.example" or ipaddress.ip_address(host) else []

    connected = []
    monkeypatch.setattr("flows.plugin_api.egress.socket.getaddrinfo", resolve)
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda _, request: connected.append(request.url.host))

    GuardedTransport(OPEN).handle_request(httpx.Request("GET", "http://flips.example/"))

    assert (asked, connected) == (["flips.example"], ["127.0.0.1"])
