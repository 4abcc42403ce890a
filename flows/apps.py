"""Start of the Django app: fills the plugin registry once, then it is read-only."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class FlowsConfig(AppConfig):
    """The app of flows, executions and triggers."""

    name = "flows"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Celestra"

    def ready(self) -> None:
        """Read the manifests of the plugin packages; no plugin module is imported."""
        from flows import checks  # noqa: F401  # registers the system checks
        from flows.conf import get_settings
        from flows.operations.roles import write_built_in_roles
        from flows.plugin_api.registry import load_registry, set_registry

        post_migrate.connect(write_built_in_roles, sender=self, dispatch_uid="flows.apps.roles")
        set_registry(load_registry(get_settings().plugin_packages))
