"""What the tests of the admin site share: its owner, a flow, and the addresses of its pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from flows.engine.catalog import forget_flows
from flows.models import Flow, FlowRevision

AT = datetime(2031, 5, 4, 10, tzinfo=UTC)
SOURCE = """id: daily
namespace: company.team
inputs:
  - id: name
    type: STRING
  - id: loud
    type: BOOL
    defaults: false
tasks:
  - id: hello
    type: io.kestra.plugin.core.log.Log
    message: "hello {{ inputs.name }}"
"""


def address_of(model: type[Model], page: str = "changelist", *args: Any) -> str:
    """Return the address of an admin page of a model."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def alice(client: Client, db: None) -> Client:
    """Alice owns the installation."""
    client.force_login(User.objects.create_superuser("alice@example.org"))
    return client


@pytest.fixture
def flow(db: None) -> Flow:
    """A flow with one revision."""
    row = Flow.objects.create(namespace="company.team", flow_id="daily", created_at=AT, updated_at=AT)
    FlowRevision.objects.create(flow=row, revision=1, source=SOURCE, created_at=AT)
    # The rows of other tests went away with their transaction, and the flows that this process remembers did not.
    forget_flows()
    return row
