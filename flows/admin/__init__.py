"""The admin site: an instrument panel. History is read-only, and every action calls the operation that the API calls."""

from django.contrib import admin

from flows.admin import executions, flows, logs, namespaces, people, records, task_runs, triggers

__all__ = ["executions", "flows", "logs", "namespaces", "people", "records", "task_runs", "triggers"]

admin.site.site_title = "Celestra"
admin.site.site_header = "Celestra"
admin.site.index_title = "Overview"
admin.site.site_url = "/ui/"
