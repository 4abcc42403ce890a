"""
Every address of the API, in both forms: with the tenant (`/api/v1/main/...`) and without it (`/api/v1/...`).

Fixed words stand above variables. Names decide who may come in without credentials (`flows.api.auth.OPEN_ROUTES`).
"""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, register_converter

from flows.api.converters import ActionWord, ExecutionId
from flows.api.endpoint import route
from flows.api.fallback import answer_unknown
from flows.api.views import (
    access,
    audit,
    blueprints,
    dashboards,
    document,
    execution_actions,
    execution_files,
    execution_lists,
    executions,
    flows,
    graphs,
    health,
    instance,
    key_values,
    logs,
    metrics,
    namespace_files,
    namespaces,
    outputs,
    own_account,
    people,
    plugins,
    services,
    source_replace,
    templates,
    tokens,
    triggers,
    webhooks,
)
from flows.api.views import (
    execution_bulk as bulk,
)
from flows.conf import DEFAULT_TENANT

app_name = "api"

Patterns = list[URLPattern | URLResolver]

register_converter(ExecutionId, "execution")
register_converter(ActionWord, "action")

_FLOWS: Patterns = [
    route("search", "flow-search", get=flows.search),
    route("validate", "flow-validate", post=flows.validate),
    route("validate/task", "flow-validate-task", post=flows.validate_task),
    route("validate/trigger", "flow-validate-trigger", post=flows.validate_trigger),
    route("distinct-namespaces", "flow-namespaces", get=flows.list_namespaces),
    route("bulk", "flow-bulk", post=flows.update_bulk),
    route("graph", "flow-source-graph", post=graphs.of_source),
    route("source", "flow-source-search", get=flows.search_sources),
    route("source/replace/preview", "source-replace-preview", post=source_replace.preview),
    route("source/replace/apply", "source-replace", post=source_replace.apply),
    route("source/replace/line", "source-replace-line", post=source_replace.replace_line),
    route("deprecated", "flow-deprecated", get=flows.list_deprecated),
    route("import", "flow-import", post=flows.import_file, accepts_files=True),
    route("export/by-ids", "flow-export-by-ids", post=flows.export_by_ids),
    route("export/by-query", "flow-export-by-query", get=flows.export_by_query),
    route("export/by-query/csv", "flow-export-csv", get=flows.export_csv),
    route("expressions", "flow-expressions", post=flows.list_expressions),
    route("delete/by-ids", "flow-delete-by-ids", delete=flows.delete_by_ids),
    route("delete/by-query", "flow-delete-by-query", delete=flows.delete_by_query),
    route("disable/by-ids", "flow-disable-by-ids", post=flows.disable_by_ids),
    route("disable/by-query", "flow-disable-by-query", post=flows.disable_by_query),
    route("enable/by-ids", "flow-enable-by-ids", post=flows.enable_by_ids),
    route("enable/by-query", "flow-enable-by-query", post=flows.enable_by_query),
    route("<str:namespace>", "flow-namespace", get=flows.list_of_namespace, post=flows.update_namespace),
    route("<str:namespace>/<str:flow_id>", "flow", get=flows.get, put=flows.update, delete=flows.delete),
    route("<str:namespace>/<str:flow_id>/revisions", "flow-revisions", get=flows.list_revisions, delete=flows.delete_revisions),
    route("<str:namespace>/<str:flow_id>/graph", "flow-graph", get=graphs.of_flow),
    route("<str:namespace>/<str:flow_id>/dependencies", "flow-dependencies", get=graphs.dependencies_of_flow),
    route("<str:namespace>/<str:flow_id>/tasks/<str:task_id>", "flow-task", get=graphs.get_task),
    route("<str:namespace>/<str:flow_id>/<str:task_id>", "flow-task-update", patch=source_replace.update_task),
]

_HOOK = webhooks.receive

_EXECUTIONS: Patterns = [
    route("webhook/<str:namespace>/<str:flow_id>/<str:key>", "webhook", get=_HOOK, post=_HOOK, put=_HOOK),
    route(
        "webhook/<str:namespace>/<str:flow_id>/<str:key>/<path:sub_path>", "webhook-with-path", get=_HOOK, post=_HOOK, put=_HOOK
    ),
    route("search", "execution-search", get=execution_lists.search),
    route("latest", "execution-latest", post=execution_lists.list_latest),
    route("namespaces", "execution-namespaces", get=execution_lists.list_executable_namespaces),
    route("namespaces/<str:namespace>/flows", "execution-namespace-flows", get=execution_lists.list_executable_flows),
    route(
        "namespaces/<str:namespace>/flows/<str:flow_id>/average-duration",
        "execution-average-duration",
        get=execution_lists.get_average_duration,
    ),
    route("distinct-field-values", "execution-distinct-values", get=execution_lists.list_distinct_values),
    route("export/by-query/csv", "execution-export-csv", get=execution_lists.export_csv),
    route("flows/<str:namespace>/<str:flow_id>", "execution-flow-form", get=execution_lists.get_executable_flow),
    route("by-ids", "execution-delete-by-ids", delete=bulk.delete_by_ids),
    route("by-query", "execution-delete-by-query", delete=bulk.delete_by_query),
    route("kill/by-ids", "execution-kill-by-ids", delete=bulk.kill_by_ids),
    route("kill/by-query", "execution-kill-by-query", delete=bulk.kill_by_query),
    route("restart/by-ids", "execution-restart-by-ids", post=bulk.restart_by_ids),
    route("restart/by-query", "execution-restart-by-query", post=bulk.restart_by_query),
    route("replay/by-ids", "execution-replay-by-ids", post=bulk.replay_by_ids),
    route("replay/by-query", "execution-replay-by-query", post=bulk.replay_by_query),
    route("pause/by-ids", "execution-pause-by-ids", post=bulk.pause_by_ids),
    route("pause/by-query", "execution-pause-by-query", post=bulk.pause_by_query),
    route("resume/by-ids", "execution-resume-by-ids", post=bulk.resume_by_ids),
    route("resume/by-query", "execution-resume-by-query", post=bulk.resume_by_query),
    route("force-run/by-ids", "execution-force-run-by-ids", post=bulk.force_run_by_ids),
    route("force-run/by-query", "execution-force-run-by-query", post=bulk.force_run_by_query),
    route("unqueue/by-ids", "execution-unqueue-by-ids", post=bulk.unqueue_by_ids),
    route("unqueue/by-query", "execution-unqueue-by-query", post=bulk.unqueue_by_query),
    route("change-status/by-ids", "execution-change-status-by-ids", post=bulk.change_status_by_ids),
    route("change-status/by-query", "execution-change-status-by-query", post=bulk.change_status_by_query),
    route("labels/by-ids", "execution-labels-by-ids", post=bulk.set_labels_by_ids),
    route("labels/by-query", "execution-labels-by-query", post=bulk.set_labels_by_query),
    route("trigger/<str:namespace>/<str:flow_id>", "execution-start-old", post=executions.start, accepts_files=True),
    # An action or a view only where the first part can be the id of an execution; elsewhere the two parts name a flow.
    route("<execution:execution_id>/actions/<action:action>", "execution-act", post=execution_actions.act, accepts_files=True),
    route("<execution:execution_id>/<action:action>", "execution-act-old", post=execution_actions.act, accepts_files=True),
    route("<str:execution_id>/actions/kill", "execution-kill", delete=execution_actions.kill, action="kill"),
    route("<str:execution_id>/kill", "execution-kill-old", delete=execution_actions.kill, action="kill"),
    route("<str:execution_id>/actions/eval", "execution-eval", post=execution_actions.evaluate),
    route("<str:execution_id>/actions/eval/<str:task_run_id>", "task-run-eval", post=execution_actions.evaluate),
    route("<execution:execution_id>/eval", "execution-eval-old", post=execution_actions.evaluate),
    route("<str:execution_id>/eval/<str:task_run_id>", "task-run-eval-old", post=execution_actions.evaluate),
    route("<str:execution_id>/actions/review/<str:task_run_id>", "task-run-review", post=execution_actions.review_task_run),
    route(
        "<str:execution_id>/actions/resume/validate", "execution-resume-validate", post=execution_actions.validate_resume_inputs,
        accepts_files=True,
    ),
    route(
        "<execution:execution_id>/resume/validate", "execution-resume-validate-old",
        post=execution_actions.validate_resume_inputs, accepts_files=True,
    ),
    route("<execution:execution_id>/graph", "execution-graph", get=graphs.of_execution),
    route("<execution:execution_id>/flow", "execution-flow", get=execution_lists.get_flow_of_execution),
    route("<execution:execution_id>/follow", "execution-follow", get=executions.follow_execution),
    route("<execution:execution_id>/follow-dependencies", "execution-follow-dependencies", get=executions.follow_dependencies),
    route("<execution:execution_id>/files", "execution-files", get=execution_files.list_all),
    route("<execution:execution_id>/file", "execution-file", get=execution_files.download),
    route("<str:execution_id>/file/metas", "execution-file-metas", get=execution_files.stat),
    route("<str:execution_id>/file/preview", "execution-file-preview", get=execution_files.preview),
    route(
        "<str:namespace>/<str:flow_id>", "execution-start", get=executions.refuse_unknown, post=executions.start,
        accepts_files=True,
    ),
    route("<str:namespace>/<str:flow_id>/validate", "execution-validate", post=executions.validate_inputs, accepts_files=True),
    route("<str:execution_id>", "execution", get=executions.get, delete=executions.delete),
]  # fmt: skip

_TRIGGERS: Patterns = [
    route("search", "trigger-search", get=triggers.search),
    route("set-disabled", "trigger-set-disabled", put=triggers.set_disabled),
    route("set-disabled/by-triggers", "trigger-set-disabled-by-triggers", post=triggers.set_disabled_by_triggers),
    route("set-disabled/by-query", "trigger-set-disabled-by-query", post=triggers.set_disabled_by_query),
    route("unlock/by-triggers", "trigger-unlock-by-triggers", post=triggers.unlock_by_triggers),
    route("unlock/by-query", "trigger-unlock-by-query", post=triggers.unlock_by_query),
    route("delete/by-triggers", "trigger-delete-by-triggers", delete=triggers.delete_by_triggers),
    route("delete/by-query", "trigger-delete-by-query", delete=triggers.delete_by_query),
    route("export/by-query/csv", "trigger-export-csv", get=triggers.export_csv),
    route("backfill/create", "backfill-create", put=triggers.create_backfill),
    route("backfill/pause", "backfill-pause", put=triggers.pause_backfill),
    route("backfill/unpause", "backfill-unpause", put=triggers.unpause_backfill),
    route("backfill/delete", "backfill-delete", post=triggers.delete_backfill),
    route("backfill/pause/by-triggers", "backfill-pause-by-triggers", post=triggers.pause_backfill_by_triggers),
    route("backfill/pause/by-query", "backfill-pause-by-query", post=triggers.pause_backfill_by_query),
    route("backfill/unpause/by-triggers", "backfill-unpause-by-triggers", post=triggers.unpause_backfill_by_triggers),
    route("backfill/unpause/by-query", "backfill-unpause-by-query", post=triggers.unpause_backfill_by_query),
    route("backfill/delete/by-triggers", "backfill-delete-by-triggers", post=triggers.delete_backfill_by_triggers),
    route("backfill/delete/by-query", "backfill-delete-by-query", post=triggers.delete_backfill_by_query),
    route("<str:namespace>/<str:flow_id>", "trigger-flow", get=triggers.list_of_flow),
    route("<str:namespace>/<str:flow_id>/<str:trigger_id>", "trigger", delete=triggers.delete),
    route("<str:namespace>/<str:flow_id>/<str:trigger_id>/unlock", "trigger-unlock", post=triggers.unlock),
    route("<str:namespace>/<str:flow_id>/<str:trigger_id>/restart", "trigger-restart", post=triggers.restart),
]

_NAMESPACES: Patterns = [
    route("search", "namespace-search", get=namespaces.search),
    route("autocomplete", "namespace-autocomplete", post=namespaces.autocomplete),
    route("<str:namespace>/kv", "kv-namespace", get=key_values.list_of_namespace, delete=key_values.delete_many),
    route("<str:namespace>/kv/inheritance", "kv-inheritance", get=key_values.list_with_inheritance),
    route("<str:namespace>/kv/<str:key>", "kv", get=key_values.get, put=key_values.put, delete=key_values.delete),
    route(
        "<str:namespace>/files", "file", get=namespace_files.download, post=namespace_files.upload, put=namespace_files.move,
        delete=namespace_files.delete, accepts_files=True,
    ),
    route("<str:namespace>/files/stats", "file-stats", get=namespace_files.stat),
    route(
        "<str:namespace>/files/directory", "file-directory", get=namespace_files.list_folder, post=namespace_files.make_folder
    ),
    route("<str:namespace>/files/search", "file-search", get=namespace_files.search),
    route("<str:namespace>/files/revisions", "file-revisions", get=namespace_files.list_revisions),
    route("<str:namespace>/files/export", "file-export", get=namespace_files.export),
    route("<str:namespace>/secrets", "secret-namespace", get=namespaces.search_secrets, put=namespaces.put_secret),
    route("<str:namespace>/secrets/<str:key>", "secret", patch=namespaces.patch_secret, delete=namespaces.delete_secret),
    route("<str:namespace>/inherited-secrets", "secret-inherited", get=namespaces.list_inherited_secrets),
    route("<str:namespace>/inherited-variables", "namespace-variables", get=namespaces.read_variables),
    route("<str:namespace>/dependencies", "namespace-dependencies", get=graphs.dependencies_of_namespace),
    route("<str:namespace>", "namespace", get=namespaces.get, put=namespaces.update, delete=namespaces.delete),
]  # fmt: skip

_LOGS: Patterns = [
    route("search", "log-search", get=logs.search),
    route("<str:execution_id>", "log", get=logs.list_of_execution, delete=logs.delete_of_execution),
    route("<str:execution_id>/download", "log-download", get=logs.download),
    route("<str:execution_id>/follow", "log-follow", get=logs.follow),
    route("<str:namespace>/<str:flow_id>", "log-flow", delete=logs.delete_of_flow),
]

_METRICS: Patterns = [
    route("names/<str:namespace>/<str:flow_id>", "metric-names", get=metrics.list_names),
    route("names/<str:namespace>/<str:flow_id>/<str:task_id>", "metric-task-names", get=metrics.list_names),
    route("tasks/<str:namespace>/<str:flow_id>", "metric-tasks", get=metrics.list_tasks),
    route("aggregates/<str:namespace>/<str:flow_id>/<str:metric>", "metric-aggregate", get=metrics.aggregate),
    route("aggregates/<str:namespace>/<str:flow_id>/<str:task_id>/<str:metric>", "metric-task-aggregate", get=metrics.aggregate),
    route("<str:execution_id>", "metric", get=metrics.list_of_execution),
]

_OUTPUTS: Patterns = [
    route("executions/<str:execution_id>", "output-execution", get=outputs.of_execution),
    route("tasks/<str:execution_id>", "output-tasks", get=outputs.of_tasks),
    route("tasks/<str:execution_id>/<str:task_run_id>", "output-task-run", get=outputs.of_task_run),
    route("<str:execution_id>", "output-tasks-old", get=outputs.of_tasks),
    route("<str:execution_id>/<str:task_run_id>", "output-task-run-old", get=outputs.of_task_run),
]

_DASHBOARDS: Patterns = [
    route("validate", "dashboard-validate", post=dashboards.validate),
    route("validate/chart", "dashboard-validate-chart", post=dashboards.validate_chart),
    route("settings/default-dashboards", "dashboard-defaults", get=dashboards.show_defaults),
    route("charts/preview", "dashboard-preview", post=dashboards.preview),
    route("charts/export", "dashboard-preview-export", post=dashboards.export_preview),
    route("charts/export/to-csv", "dashboard-preview-export-old", post=dashboards.export_preview),
    route("<str:dashboard_id>", "dashboard", get=dashboards.get, put=dashboards.update, delete=dashboards.delete),
    route("<str:dashboard_id>/charts/<str:chart_id>", "dashboard-chart", post=dashboards.show_chart),
    route("<str:dashboard_id>/charts/<str:chart_id>/export", "dashboard-chart-export", post=dashboards.export_chart),
    route("<str:dashboard_id>/charts/<str:chart_id>/export/to-csv", "dashboard-chart-export-old", post=dashboards.export_chart),
]

_BLUEPRINTS: Patterns = [
    route("community", "blueprint-search-old", get=blueprints.search),
    route("community/tags", "blueprint-tags-old", get=blueprints.list_tags),
    route("community/<str:kind>", "blueprint-search", get=blueprints.search),
    route("community/<str:kind>/tags", "blueprint-tags", get=blueprints.list_tags),
    route("community/<str:kind>/<str:blueprint_id>", "blueprint", get=blueprints.get),
    route("community/<str:kind>/<str:blueprint_id>/source", "blueprint-source", get=blueprints.get_source),
    route("community/<str:kind>/<str:blueprint_id>/graph", "blueprint-graph", get=blueprints.get_graph),
    route("flows", "blueprint-own-flows", get=blueprints.search_own, post=blueprints.create_own),
    route("flows/tags", "blueprint-own-flow-tags", get=blueprints.list_own_tags),
    route(
        "flows/<str:blueprint_id>",
        "blueprint-own-flow",
        get=blueprints.get_own,
        put=blueprints.update_own,
        delete=blueprints.delete_own,
    ),
    route("flows/<str:blueprint_id>/source", "blueprint-own-flow-source", get=blueprints.get_own_source),
    route("flows/<str:blueprint_id>/graph", "blueprint-own-flow-graph", get=blueprints.get_own_graph),
    route("flows/<str:blueprint_id>/use-template", "blueprint-use-template", post=blueprints.use_template),
    route("flow/<str:blueprint_id>", "blueprint-own-flow-old", get=blueprints.get_own),
    route("custom", "blueprint-customs", get=blueprints.search_own, post=blueprints.create_own),
    route("custom/tags", "blueprint-custom-tags", get=blueprints.list_own_tags),
    route(
        "custom/<str:blueprint_id>",
        "blueprint-custom",
        get=blueprints.get_own,
        put=blueprints.update_own,
        delete=blueprints.delete_own,
    ),
    route("custom/<str:blueprint_id>/source", "blueprint-custom-source", get=blueprints.get_own_source),
    route("custom/<str:blueprint_id>/graph", "blueprint-custom-graph", get=blueprints.get_own_graph),
]

_ACCESS: Patterns = [
    route("users", "users", get=people.search_users, post=people.create_user),
    route("users/search", "user-search", get=people.search_users),
    route(
        "users/<str:user_id>",
        "user",
        get=people.get_user,
        put=people.update_user,
        patch=people.update_user,
        delete=people.delete_user,
    ),
    route("users/<str:user_id>/password", "user-password", put=people.set_password, patch=people.set_password),
    route("users/<str:user_id>/instanceOwner", "user-ownership", patch=people.change_ownership),
    route("users/<str:user_id>/second-factor", "user-second-factor", delete=people.remove_second_factor),
    route("users/<str:user_id>/sessions", "user-sessions", delete=people.end_sessions),
    route("users/<str:user_id>/groups", "user-groups", put=people.set_groups),
    route("service-accounts", "service-accounts", get=people.search_service_accounts, post=people.create_service_account),
    route(
        "service-accounts/<str:user_id>",
        "service-account",
        get=people.get_service_account,
        put=people.update_service_account,
        patch=people.update_service_account,
        delete=people.delete_service_account,
    ),
    route(
        "service-accounts/<str:user_id>/api-tokens",
        "service-account-tokens",
        get=people.list_service_tokens,
        post=people.create_service_token,
    ),
    route(
        "service-accounts/<str:user_id>/api-tokens/<str:token_id>",
        "service-account-token",
        delete=people.revoke_service_token,
    ),
    route("groups", "groups", get=access.search_groups, post=access.create_group),
    route("groups/search", "group-search", get=access.search_groups),
    route("groups/<str:group_id>", "group", get=access.get_group, put=access.update_group, delete=access.delete_group),
    route("groups/<str:group_id>/members", "group-members", get=access.list_members),
    route("groups/<str:group_id>/members/<str:user_id>", "group-member", put=access.add_member, delete=access.remove_member),
    route("roles", "roles", get=access.search_roles, post=access.create_role),
    route("roles/search", "role-search", get=access.search_roles),
    route("roles/<str:role_id>", "role", get=access.get_role, put=access.update_role, delete=access.delete_role),
    route("bindings", "bindings", get=access.search_bindings, post=access.create_binding),
    route("bindings/search", "binding-search", get=access.search_bindings),
    route("bindings/bulk", "binding-bulk", post=access.create_bindings),
    route("bindings/<str:binding_id>", "binding", get=access.get_binding, delete=access.delete_binding),
    route("acls/permissions", "permissions", get=access.list_permissions),
]

_AUDIT_LOG: Patterns = [
    route("search", "audit-search", get=audit.search),
    route("export", "audit-export", get=audit.export_csv),
    route("<str:entry_id>", "audit-entry", get=audit.get),
]

_OF_TENANT: Patterns = [
    path("auditlogs/", include(_AUDIT_LOG)),
    *_ACCESS,
    path("executions/", include(_EXECUTIONS)),
    route("executions", "execution-of-flow", get=execution_lists.list_of_flow),
    path("flows/", include(_FLOWS)),
    route("flows", "flow-create", post=flows.create),
    path("logs/", include(_LOGS)),
    path("outputs/", include(_OUTPUTS)),
    path("metrics/", include(_METRICS)),
    path("triggers/", include(_TRIGGERS)),
    route("triggers", "trigger-update", put=triggers.update),
    path("namespaces/", include(_NAMESPACES)),
    route("namespaces", "namespace-create", post=namespaces.create),
    path("dashboards/", include(_DASHBOARDS)),
    route("dashboards", "dashboard-search", get=dashboards.search, post=dashboards.create),
    route("kv", "kv-search", get=key_values.search),
    route("secrets", "secret-search", get=namespaces.search_secrets),
    route("dependencies", "tenant-dependencies", get=graphs.dependencies_of_tenant),
    route("concurrency-limit/search", "concurrency-search", get=flows.search_concurrency_limits),
    route("concurrency-limit/<str:namespace>/<str:flow_id>", "concurrency-recount", put=flows.recount_slots),
    path("blueprints/", include(_BLUEPRINTS)),
    route("expressions/render", "expressions-render", post=execution_actions.render_expressions),
    route("usages/all", "usage", get=services.show_usage),
    route("worker-selectors/tags", "worker-tags", get=services.list_worker_tags),
    route("basicAuth", "account-create", post=own_account.create_first_account),
    route("templates", "template-create", post=templates.create),
    route("templates/search", "template-search", get=templates.search),
    route(
        "templates/<str:namespace>/<str:template_id>",
        "template",
        get=templates.get,
        put=templates.update,
        delete=templates.delete,
    ),
]

_WITHOUT_TENANT: Patterns = [
    route("configs", "configuration", get=instance.show_configuration),
    route("configs/login", "login-configuration", get=instance.show_login),
    route("login", "login", post=instance.login),
    route("logout", "logout", post=instance.logout),
    route("me", "me", get=instance.show_me, patch=instance.update_me),
    route("me/api-tokens", "api-tokens", get=tokens.list_own, post=tokens.create),
    route("me/api-tokens/<str:token_id>", "api-token", delete=tokens.revoke),
    route("me/rights", "own-rights", get=own_account.show_rights),
    route("me/password", "own-password", put=own_account.change_password),
    route("me/sessions", "own-sessions", get=own_account.list_sessions, delete=own_account.revoke_sessions),
    route("me/sessions/<str:session_id>", "own-session", delete=own_account.revoke_session),
    route("auths", "auths", get=own_account.list_auths),
    route("basicAuthValidationErrors", "account-errors", get=instance.list_validation_errors),
    route("setup", "setup", get=instance.show_setup),
    route("instance/services/search", "service-search", get=services.search),
    route("instance/services/active", "service-count", get=services.count),
    route("instance/services/<str:service_id>", "service", get=services.get),
    route("instance/metrics/<str:service_type>", "service-metrics", get=services.list_metrics),
    route("instance/maintenance/status", "maintenance", get=services.show_maintenance),
    route("pebble/filters", "expression-filters", get=instance.list_expression_filters),
    route("pebble/functions", "expression-functions", get=instance.list_expression_functions),
    route("plugins", "plugin-list", get=plugins.list_all),
    route("plugins/groups/subgroups", "plugin-groups", get=plugins.list_groups),
    route("plugins/triggers", "plugin-triggers", get=plugins.list_triggers),
    route("plugins/inputs", "plugin-inputs", get=plugins.list_inputs),
    route("plugins/inputs/<str:name>", "plugin-input", get=plugins.show_input),
    route("plugins/schemas/<str:kind>", "plugin-schema", get=plugins.show_schema),
    route("plugins/properties/<str:kind>", "plugin-properties", get=plugins.show_schema_properties),
    route("plugins/install", "plugin-install", get=plugins.refuse_installation, post=plugins.refuse_installation),
    route("plugins/pluginUiManifest", "plugin-ui-manifest", post=plugins.refuse_installation),
    route("plugins/icons", "plugin-icons", get=plugins.list_icons),
    route("plugins/icons/groups", "plugin-group-icons", get=plugins.list_group_icons),
    route("plugins/icons/<str:name>", "plugin-icon", get=plugins.show_icon),
    route("plugins/icons/<str:name>/icon.svg", "plugin-icon-svg", get=plugins.draw_icon),
    route("plugins/<str:name>", "plugin", get=plugins.show),
    route("plugins/<str:name>/versions", "plugin-versions", get=plugins.list_versions),
    route("plugins/<str:name>/versions/<str:version>", "plugin-version", get=plugins.show_version),
]

urlpatterns: Patterns = [
    path(f"api/v1/{DEFAULT_TENANT}/", include(_OF_TENANT)),
    path("api/v1/", include([*_OF_TENANT, *_WITHOUT_TENANT])),
    route("health", "health", get=health.show),
    route("health/liveness", "health-liveness", get=health.liveness),
    route("health/readiness", "health-readiness", get=health.show),
    route("ping", "ping", get=health.ping),
    route("info", "info", get=instance.show_info),
    route("api/schema", "schema", get=document.show),
    route("prometheus", "prometheus", get=services.show_prometheus),
    route("metrics", "prometheus-alias", get=services.show_prometheus),
    path("api", answer_unknown, name="unknown"),
    path("api/", answer_unknown, name="unknown"),
    path("api/<path:rest>", answer_unknown, name="unknown"),
]
