"""The admin site: an instrument panel. History is read-only, and every action calls the operation that the API calls."""

from contextlib import suppress
from importlib import import_module

from django.contrib import admin

from flows.admin import logs, namespaces, task_runs

__all__ = ["logs", "namespaces", "task_runs"]

for pages in ("executions", "flows", "triggers"):
    with suppress(ImportError):
        import_module(f"flows.admin.{pages}")

admin.site.site_title = "Celestra"
admin.site.site_header = "Celestra"
admin.site.index_title = "Overview"
admin.site.site_url = "/ui/"
