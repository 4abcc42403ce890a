"""Secrets and keys as tasks read them: inheritance, expiry, encryption at rest."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from flows.models import KeyValue, Secret
from flows.models.encryption import DecryptionError, decrypt_envelope, encrypt_text, is_envelope, seal_text, unseal_text
from flows.models.key_values import (
    KeyExistsError,
    KeyExpiredError,
    KeyNotFoundError,
    delete_key_value,
    list_keys,
    list_namespace_chain,
    purge_key_values,
    read_key_value,
    write_key_value,
)
from flows.models.vault import SecretNotFoundError, list_environment_secrets, read_secret, write_secret
from flows.primitives.errors import InvalidError
from flows.primitives.typed_values import ValueTypeError

AT = datetime(2031, 5, 4, 10, tzinfo=UTC)
CANARY = "c4n4ry-value"


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_sealed_text_opens_only_for_its_purpose_and_key() -> None:
    sealed = seal_text(CANARY, purpose="one", key=b"k" * 32)

    assert CANARY not in sealed
    assert unseal_text(sealed, purpose="one", key=b"k" * 32) == CANARY
    for purpose, key in (("two", b"k" * 32), ("one", b"x" * 32)):
        with pytest.raises(DecryptionError):
            unseal_text(sealed, purpose=purpose, key=key)


@pytest.mark.parametrize("token", ["", "x", "v1.", "v1.00000000.", "v2.00000000.AAAA", "v1..AAAA"])
def test_a_damaged_token_is_refused(token: str) -> None:
    with pytest.raises(DecryptionError):
        unseal_text(token, key=b"k" * 32)


def test_a_changed_token_is_refused() -> None:
    sealed = seal_text(CANARY, key=b"k" * 32)
    head, tail = sealed[:40], sealed[41:]

    with pytest.raises(DecryptionError):
        unseal_text(head + ("A" if sealed[40] != "A" else "B") + tail, key=b"k" * 32)


def test_an_encrypted_value_has_the_form_that_kestra_uses() -> None:
    envelope = encrypt_text(CANARY)

    assert envelope["type"] == "io.kestra.datatype:aes_encrypted"
    assert is_envelope(envelope)
    assert decrypt_envelope(envelope) == CANARY


def test_plain_text_is_no_envelope() -> None:
    with pytest.raises(DecryptionError):
        decrypt_envelope(CANARY)


def test_the_chain_of_a_namespace_goes_up_to_its_root() -> None:
    assert list_namespace_chain("a.b.c") == ["a.b.c", "a.b", "a"]


@pytest.mark.django_db
def test_the_nearest_stored_secret_wins_over_the_environment() -> None:
    write_secret("a", "TOKEN", "of the parent")
    write_secret("a.b", "TOKEN", "own")
    environment = {"SECRET_TOKEN": _encode("of the server")}

    assert read_secret("a.b", "TOKEN", environment=environment) == "own"
    assert read_secret("a.c", "TOKEN", environment=environment) == "of the parent"
    assert read_secret("z", "TOKEN", environment=environment) == "of the server"


@pytest.mark.django_db
def test_a_secret_of_the_environment_is_found_in_any_letter_case_and_with_line_breaks() -> None:
    text = _encode("two lines\nof text")
    environment = {"SECRET_MY_KEY": f"{text[:5]}\n{text[5:]}\n", "SECRET_BAD": "not base64!", "OTHER": "x"}

    assert read_secret("a", "my_key", environment=environment) == "two lines\nof text"
    assert list_environment_secrets(environment=environment) == ["MY_KEY"]
    with pytest.raises(SecretNotFoundError):
        read_secret("a", "bad", environment=environment)


@pytest.mark.django_db
def test_a_missing_secret_is_named_and_says_what_to_do() -> None:
    with pytest.raises(SecretNotFoundError, match=r'Cannot find secret for key "NOPE": store it in namespace a\.b'):
        read_secret("a.b", "NOPE", environment={})


@pytest.mark.django_db
def test_a_stored_secret_is_not_readable_in_its_row_nor_in_another_one() -> None:
    row = write_secret("a", "TOKEN", CANARY)
    Secret.objects.create(namespace="b", key="TOKEN", encrypted=row.encrypted)

    assert CANARY not in row.encrypted
    with pytest.raises(DecryptionError):
        read_secret("b", "TOKEN", environment={})


@pytest.mark.django_db
def test_a_value_keeps_its_type() -> None:
    write_key_value("a", "when", timedelta(hours=1), at=AT)

    assert read_key_value("a", "when", at=AT) == timedelta(hours=1)


@pytest.mark.django_db
def test_a_key_is_inherited_only_when_asked() -> None:
    write_key_value("a", "key", "parent", at=AT)

    assert read_key_value("a.b", "key", at=AT, inherit=True) == "parent"
    with pytest.raises(KeyNotFoundError, match=r'Namespace a\.b has no key "key"'):
        read_key_value("a.b", "key", at=AT)


@pytest.mark.django_db
def test_an_expired_key_counts_as_missing() -> None:
    write_key_value("a", "key", 1, at=AT, ttl=timedelta(minutes=1))
    later = AT + timedelta(minutes=1)

    assert read_key_value("a", "key", at=AT) == 1
    assert list_keys("a", at=later) == []
    assert not delete_key_value("a", "key", at=later)


@pytest.mark.django_db
def test_reading_an_expired_key_says_when_it_expired() -> None:
    write_key_value("a", "key", 1, at=AT, ttl=timedelta(minutes=1))

    with pytest.raises(KeyExpiredError, match="expired at 2031-05-04 10:01:00 UTC"):
        read_key_value("a", "key", at=AT + timedelta(hours=1), inherit=True)


@pytest.mark.django_db
def test_a_new_value_without_ttl_ends_the_old_limit_and_counts_revisions() -> None:
    write_key_value("a", "key", 1, at=AT, ttl=timedelta(minutes=1), description="kept")
    row = write_key_value("a", "key", 2, at=AT)

    assert (row.expires_at, row.revision, row.description) == (None, 2, "kept")


@pytest.mark.django_db
def test_overwriting_can_be_refused_unless_the_key_has_expired() -> None:
    write_key_value("a", "key", 1, at=AT, ttl=timedelta(minutes=1))

    with pytest.raises(KeyExistsError):
        write_key_value("a", "key", 2, at=AT, overwrite=False)
    write_key_value("a", "key", 3, at=AT + timedelta(hours=1), overwrite=False)
    assert read_key_value("a", "key", at=AT + timedelta(hours=1)) == 3


@pytest.mark.django_db
@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(seconds=-1), timedelta.max])
def test_a_life_that_makes_no_sense_is_refused(ttl: timedelta) -> None:
    with pytest.raises(ValueTypeError):
        write_key_value("a", "key", 1, at=AT, ttl=ttl)


@pytest.mark.django_db
def test_keys_are_listed_by_prefix_in_order() -> None:
    for key in ("b", "a2", "a1", "A"):
        write_key_value("a", key, 1, at=AT)

    assert list_keys("a", at=AT) == ["A", "a1", "a2", "b"]
    assert list_keys("a", at=AT, prefix="a") == ["a1", "a2"]


@pytest.fixture
def pairs(db: None) -> None:
    for namespace in ("a", "a.b", "ab"):
        write_key_value(namespace, "live", 1, at=AT)
        write_key_value(namespace, "dead", 1, at=AT, ttl=timedelta(minutes=1))


LATER = AT + timedelta(hours=1)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 3),
        ({"namespaces": ["a"]}, 2),
        ({"namespaces": ["a"], "include_child_namespaces": False}, 1),
        ({"namespace_pattern": "a.*"}, 1),
        ({"behavior": {"type": "key", "expiredOnly": False}}, 6),
        ({"behavior": {"type": "key", "expiredOnly": False}, "key_pattern": "l*"}, 3),
        ({"behavior": {"type": "version", "keepAmount": 1}}, 0),
    ],
)
def test_a_purge_deletes_what_it_was_told_to(pairs: None, options: dict[str, object], count: int) -> None:
    assert purge_key_values(at=LATER, **options) == count  # type: ignore[arg-type]
    assert KeyValue.objects.count() == 6 - count


@pytest.mark.parametrize("options", [{"namespaces": ["a"], "namespace_pattern": "b"}, {"behavior": {"type": "all"}}])
def test_a_purge_with_contradicting_options_is_refused(pairs: None, options: dict[str, object]) -> None:
    with pytest.raises(InvalidError):
        purge_key_values(at=LATER, **options)  # type: ignore[arg-type]
