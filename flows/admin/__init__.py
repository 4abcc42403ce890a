"""The admin site: every table, read for those whose rights reach it, changed only by the operations that the API calls."""

from django.contrib import admin

from flows.admin import access, executions, flows, logs, namespaces, people, records, task_runs, triggers

__all__ = ["access", "executions", "flows", "logs", "namespaces", "people", "records", "task_runs", "triggers"]

admin.site.site_title = "Celestra"
admin.site.site_header = "Celestra"
admin.site.index_title = "Overview"
admin.site.site_url = "/ui/"
