"""What a webhook asks of its callers besides the key: where they call from, how, with what, and how they sign. No framework."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from flows.primitives.durations import parse_duration
from flows.triggers.signature import DEFAULT_HEADER, DEFAULT_TOLERANCE, SignatureRule, check_signature
from flows.triggers.webhook import RequestFacts

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is refused: a stable code, and what the caller is told."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class CallRules:
    """
    The rules of one webhook; an empty list or None allows everything.

    Attributes:
        methods: in upper case.
        content_types: media types in lower case, `text/*` for all of a kind.
        addresses: networks from which calls may come; one address is a network as well.
        most_bytes: size of the body.
        signature: how callers sign.
    """

    methods: tuple[str, ...] = ()
    content_types: tuple[str, ...] = ()
    addresses: tuple[Network, ...] = ()
    most_bytes: int | None = None
    signature: SignatureRule | None = None


def read_rules(properties: Mapping[str, Any], *, render: Callable[[Any], Any]) -> CallRules:
    """
    Return the rules that the properties of a webhook state.

    Args:
        render: renders the secret of the signature.

    Raises:
        ValueError: a rule that cannot be read, which must not open the webhook for everybody.
        ExpressionError: the secret cannot be rendered.

    Source: security, S-51 and S-52.
    """
    most = properties.get("maxBodyBytes")
    return CallRules(
        methods=tuple(one.upper() for one in _read_texts(properties, "allowedMethods")),
        content_types=tuple(one.lower() for one in _read_texts(properties, "allowedContentTypes")),
        addresses=tuple(read_network(one) for one in _read_texts(properties, "allowedAddresses")),
        most_bytes=None if most is None else int(most),
        signature=_read_signature(properties.get("signature"), render),
    )


def read_network(text: str) -> Network:
    """Return a network such as `10.0.0.0/8`, or that of one address. Raises ValueError."""
    return ip_network(text.strip(), strict=False)


def _read_texts(properties: Mapping[str, Any], name: str) -> Sequence[str]:
    value = properties.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name} must be a list of texts")
    return value


def _read_signature(written: Any, render: Callable[[Any], Any]) -> SignatureRule | None:
    if written is None:
        return None
    if not isinstance(written, Mapping):
        raise ValueError("signature must be a map")
    secret = str(render(written.get("secret")) or "")
    if not secret:
        raise ValueError("the secret of the signature is empty")
    stamp = written.get("timestampHeader")
    tolerance = written.get("tolerance")
    return SignatureRule(
        secret=secret,
        header=str(written.get("header") or DEFAULT_HEADER),
        prefix=str(written.get("prefix") or ""),
        timestamp_header=str(stamp) if stamp else None,
        tolerance=DEFAULT_TOLERANCE if tolerance is None else parse_duration(tolerance),
    )


def find_refusal(rules: CallRules, facts: RequestFacts, *, at: datetime) -> Refusal | None:
    """
    Return why a call is refused, or None when it keeps every rule. The signature comes last, because it costs the most.

    Source: security, S-51 and S-52.
    """
    if rules.addresses and not _comes_from(facts.address, rules.addresses):
        return Refusal("webhook-address", "Calls of this webhook are not taken from your address.")
    if rules.methods and facts.method.upper() not in rules.methods:
        return Refusal("webhook-method", f"This webhook is called with {', '.join(rules.methods)}; got {facts.method[:20]}.")
    kind = _read_content_type(facts)
    if rules.content_types and not _is_of_kind(kind, rules.content_types):
        known = ", ".join(rules.content_types)
        return Refusal("webhook-content-type", f'This webhook takes a body of type {known}; got "{kind[:80]}".')
    if rules.most_bytes is not None and len(facts.raw) > rules.most_bytes:
        return Refusal(
            "webhook-size", f"This webhook takes bodies of at most {rules.most_bytes:,} bytes; got {len(facts.raw):,}."
        )
    if rules.signature is not None:
        reason = check_signature(rules.signature, headers=facts.headers, body=facts.raw, at=at)
        if reason:
            return Refusal("webhook-signature", f"The call is not signed as this webhook asks for: {reason}.")
    return None


def replay_mark(rules: CallRules, facts: RequestFacts) -> str | None:
    """
    Return a text that is the same for the same signed call and no other, or None when callers sign without the time: then a
    call that is sent twice cannot be told from two equal ones.
    """
    if rules.signature is None or rules.signature.timestamp_header is None:
        return None
    name = rules.signature.timestamp_header.lower()
    stamp = next((value.strip() for header, value in facts.headers if header.lower() == name), "")
    return hashlib.sha256(b"signed:" + stamp.lstrip("0").encode() + b"." + facts.raw).hexdigest()[:32]


def _comes_from(text: str, networks: Sequence[Network]) -> bool:
    try:
        address: IPv4Address | IPv6Address = ip_address(text.split("%", 1)[0])
    except ValueError:
        return False
    # An IPv4 caller shows up like this where the server listens on IPv6.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any((mapped or address) in network for network in networks)


def _read_content_type(facts: RequestFacts) -> str:
    found = next((value for name, value in facts.headers if name.lower() == "content-type"), "")
    return found.partition(";")[0].strip().lower()


def _is_of_kind(kind: str, allowed: Sequence[str]) -> bool:
    return any(kind == one or (one.endswith("/*") and kind.startswith(one[:-1])) for one in allowed)
