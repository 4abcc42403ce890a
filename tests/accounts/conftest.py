"""A named cast: Olive owns the installation, Uma looks after people, Alice edits a namespace, Charlie may do nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from flows.api.auth import verified_credentials
from flows.operations import accounts, bindings, roles
from flows.operations.callers import caller_of
from flows.operations.throttle import throttle
from flows.primitives.callers import PLATFORM, Caller, Door, acting_as

AT = datetime(2031, 5, 4, 10, 0, tzinfo=UTC)
PASSWORD = "a staple of horses 7"

As = Callable[[User], AbstractContextManager[Caller]]


@pytest.fixture(autouse=True)
def fresh_memory() -> Iterator[None]:
    """Forget what the process remembers of guesses and credentials."""
    throttle.clear()
    verified_credentials.clear()
    cache.clear()
    yield
    throttle.clear()


@pytest.fixture
def acting() -> As:
    """Act as a person with the rights of now, through the API's door."""

    def enter(user: User) -> AbstractContextManager[Caller]:
        return acting_as(caller_of(User.objects.get(pk=user.pk), door=Door.API))

    return enter


def make_person(name: str, *given: str) -> User:
    """Make a person with roles, each written as `role` or `role@namespace`."""
    with acting_as(PLATFORM):
        user = accounts.create_person(name, password=PASSWORD, at=AT)
        for text in given:
            role, _, namespace = text.partition("@")
            bindings.give_role(roles.get_role(role), user, namespace=namespace, at=AT)
    return user


@pytest.fixture
def olive(db: None) -> User:
    """The owner."""
    return make_person("olive@example.org", "owner")


@pytest.fixture
def uma(db: None) -> User:
    """She may change people and read flows, no more."""
    with acting_as(PLATFORM):
        table = {"USER": ["READ", "CREATE", "UPDATE", "DELETE"], "FLOW": ["READ"]}
        roles.create_role("people-desk", permissions=table, at=AT)
    return make_person("uma@example.org", "people-desk")


@pytest.fixture
def alice(db: None) -> User:
    """She edits one namespace."""
    return make_person("alice@example.org", "editor@company.team")


@pytest.fixture
def charlie(db: None) -> User:
    """He has an account and no role."""
    return make_person("charlie@example.org")
