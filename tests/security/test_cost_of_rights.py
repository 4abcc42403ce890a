"""What rights cost: nothing for an owner, one statement for somebody with a role."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from .conftest import ApiCaller
from .world import Filled, add_person, fill

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(db: None) -> Filled:
    """A namespace with everything in it, an owner and somebody with a role."""
    add_person("owner@example.org", is_superuser=True)
    add_person("viewer@example.org", "viewer", "prod.a")
    return fill("prod.a", "mark0x")


@pytest.mark.parametrize(("path", "statements"), [("/executions/{failed}", 2), ("/executions/search", 1), ("/flows/search", 1)])
def test_an_owner_pays_nothing_and_others_one_statement(place: Filled, path: str, statements: int) -> None:
    counts, texts = [], []
    for name in ("owner@example.org", "viewer@example.org"):
        caller = ApiCaller(name)
        caller.send("GET", path.format(**place.names()))
        with CaptureQueriesContext(
            connection,
        ) as made:
            answer = caller.send("GET", path.format(**place.names()))
        assert answer.status_code == 200
        counts.append(len(made))
        texts.append(" ".join(one["sql"] for one in made.captured_queries))

    assert counts == [statements, statements + 1]
    assert "LIKE 'prod.a.%'" not in texts[0] and "prod.a.%" in texts[1]
