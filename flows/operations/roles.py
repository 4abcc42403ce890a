"""The roles that every installation has: written after each migration, so that an upgrade brings what a new version permits."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from flows.models import Role
from flows.primitives.rights import BUILT_IN_ROLES


def write_built_in_roles(**_: Any) -> None:
    """Store the built-in roles, or bring them up to date. A receiver of the signal `post_migrate`."""
    at = timezone.now()
    rows = [
        Role(
            id=name,
            name=name,
            description=description,
            permissions={resource.value: sorted(actions) for resource, actions in table.items()},
            is_built_in=True,
            created_at=at,
            updated_at=at,
        )
        for name, (description, table) in BUILT_IN_ROLES.items()
    ]
    Role.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["id"], update_fields=["name", "description", "permissions", "updated_at"]
    )
