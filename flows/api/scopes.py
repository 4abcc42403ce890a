"""What an API token may reach: reading or writing, and which namespaces. Decided by the resolved route, before its function."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request

from flows.language.source import read_document, split_documents
from flows.models import ApiToken
from flows.primitives.errors import ForbiddenError, NotFoundError
from flows.queries.criteria import Condition, Criteria, Operation
from flows.queries.executions import find_namespace_of_execution

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

READING_POSTS = frozenset(
    {
        "flow-validate", "flow-validate-task", "flow-validate-trigger", "flow-source-graph", "flow-expressions",
        "flow-export-by-ids", "execution-latest", "execution-validate", "execution-resume-validate",
        "execution-resume-validate-old", "namespace-autocomplete", "dashboard-validate", "dashboard-validate-chart",
        "dashboard-chart", "dashboard-chart-export", "dashboard-chart-export-old", "dashboard-preview",
        "dashboard-preview-export", "dashboard-preview-export-old", "source-replace-preview",
    }
)  # fmt: skip
"""Routes that change nothing although they are called with POST."""

# With a token for some namespaces: what belongs to no namespace, and searches, which are narrowed by `narrow_criteria`.
_OF_NO_NAMESPACE = frozenset(
    {
        "configuration", "me", "auths", "api-tokens", "expression-filters", "expression-functions", "plugin-list",
        "plugin-groups", "plugin-triggers", "plugin-inputs", "plugin-input", "plugin-schema", "plugin-properties",
        "plugin-icons", "plugin-group-icons", "plugin-icon", "plugin-icon-svg", "plugin", "plugin-versions", "plugin-version",
        "flow-validate", "flow-validate-task", "flow-validate-trigger", "flow-source-graph", "flow-expressions",
    }
)  # fmt: skip
_NARROWED = frozenset(
    {
        "flow-search", "flow-export-by-query", "flow-export-csv", "flow-delete-by-query", "flow-disable-by-query",
        "flow-enable-by-query", "execution-search", "execution-export-csv", "execution-distinct-values",
        "execution-delete-by-query", "execution-kill-by-query", "execution-restart-by-query", "execution-replay-by-query",
        "execution-pause-by-query", "execution-resume-by-query", "execution-force-run-by-query", "execution-unqueue-by-query",
        "execution-change-status-by-query", "execution-labels-by-query", "log-search", "trigger-search", "trigger-export-csv",
        "trigger-set-disabled-by-query", "trigger-unlock-by-query", "backfill-pause-by-query", "backfill-unpause-by-query",
        "backfill-delete-by-query", "kv-search",
    }
)  # fmt: skip
# These name a namespace, but show or change things outside of it.
_BEYOND_THEIR_NAMESPACE = frozenset(
    {"flow-dependencies", "namespace-dependencies", "execution-follow-dependencies", "secret-inherited", "namespace-variables"}
)


def check_scope(request: Request, arguments: dict[str, Any]) -> None:
    """
    Let the request pass if it came without a token, or if its token reaches what the address names.

    A token for some namespaces reaches only routes that name a namespace or an execution inside of them, searches (which
    show only what is inside), and routes about no namespace; whatever else there is stays closed.

    Raises:
        ForbiddenError: the token may not do this.
        NotFoundError: the execution belongs to another namespace; the same answer as for one that does not exist.

    Source: security, S-02, S-03 and S-09.
    """
    token = request.auth
    if not isinstance(token, ApiToken):
        return
    route = str(request.resolver_match.url_name) if request.resolver_match else ""
    if not token.can_write and request.method not in _SAFE_METHODS and route not in READING_POSTS:
        raise ForbiddenError(f'The API token "{token.name}" may only read.', code="token-reads-only")
    if route == "api-tokens" and request.method == "POST":
        raise ForbiddenError("A token cannot make tokens. Sign in with your password.", code="token-makes-token")
    if not token.namespaces or route in _OF_NO_NAMESPACE or route in _NARROWED:
        return
    if route in _BEYOND_THEIR_NAMESPACE or not _names_what_it_may(request, token, route, arguments):
        raise ForbiddenError(
            f'The API token "{token.name}" reaches only {", ".join(token.namespaces)} and what is below.', code="token-scope"
        )


def _names_what_it_may(request: Request, token: ApiToken, route: str, arguments: dict[str, Any]) -> bool:
    if "namespace" in arguments:
        return reaches(token, str(arguments["namespace"]))
    if "execution_id" in arguments:
        found = find_namespace_of_execution(str(arguments["execution_id"]))
        if found is None or not reaches(token, found):
            raise NotFoundError(f'Execution "{arguments["execution_id"]}" does not exist.', code="execution-not-found")
        return True
    if route == "execution-of-flow":
        return reaches(token, request.query_params.get("namespace", ""))
    # The namespace of a new flow stands in its document, so `check_documents` decides.
    return route == "flow-create"


def check_documents(request: Request, source: str) -> None:
    """Raise ForbiddenError when a document of `source` belongs to a namespace that the token of the request does not reach."""
    token = request.auth
    if not isinstance(token, ApiToken) or not token.namespaces:
        return
    for text in split_documents(source):
        data = read_document(text).data
        if isinstance(data, dict) and not reaches(token, str(data.get("namespace"))):
            raise ForbiddenError(
                f'The API token "{token.name}" reaches only {", ".join(token.namespaces)} and what is below.', code="token-scope"
            )


def reaches(token: ApiToken, namespace: str) -> bool:
    """Tell whether a namespace is one of the token's, or below one of them. Segments are compared whole."""
    return any(namespace == own or namespace.startswith(f"{own}.") for own in token.namespaces)


def narrow_criteria(request: Request, criteria: Criteria, known: frozenset[str]) -> Criteria:
    """
    Return criteria joined by `and` that match only what the token of the request reaches, too.

    Raises:
        ForbiddenError: the resource cannot be narrowed to namespaces.
    """
    token = request.auth
    if not isinstance(token, ApiToken) or not token.namespaces:
        return criteria
    if "namespace" not in known:
        raise ForbiddenError(f'The API token "{token.name}" reaches only some namespaces.', code="token-scope")
    own = Criteria("or", tuple(Condition("namespace", Operation.PREFIX, name) for name in token.namespaces))
    return Criteria("and", (own, *criteria.members))
