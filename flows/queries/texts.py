"""Search for a text among millions of executions and log lines: only in places where an index finds it."""

from __future__ import annotations

import re
from collections import defaultdict

from django.contrib.postgres.search import SearchQuery, SearchVectorExact
from django.db.models import Q

from flows.models import Flow
from flows.models.log import LOG_WORDS
from flows.queries.criteria import Condition, CriteriaError, Operation, match_text

MOST_FLOWS = 200
MOST_WORDS = 20
_plain_namespace = match_text("namespace")
_WORD = re.compile(r"[^\W_]+")


def match_execution_text(condition: Condition) -> Q:
    """
    Return the condition for `q` on executions: the beginning of the id, a part of the flow's id or namespace without regard to
    case, or a whole label key, label value, or `key:value`.

    Source: REST API, 4; whole labels instead of parts of them are our decision, parts have no index.
    """
    text = condition.value
    found = Q(id__startswith=text) | _match_flow(text)
    for word in {text, text.lower()}:
        key, colon, value = word.partition(":")
        found |= Q(labels__contains=[{"value": word}]) | Q(labels__contains=[{"key": word}])
        if colon and key and value:
            found |= Q(labels__contains=[{"key": key, "value": value}])
    return _apply(condition, found)


def match_log_text(condition: Condition) -> Q:
    """
    Return the condition for `q` on log lines: a text in the message that begins where a word begins, without regard to case, the
    id of the execution, or a part of the flow's id or namespace.

    Source: REST API, 4; the beginning of a word is our decision, other places have no index.
    """
    text = condition.value
    found = Q(execution_id=text) | _match_flow(text)
    words = _WORD.findall(text.lower())
    inside = Q(message__icontains=text)
    if words:
        query = " & ".join(f"'{word}'" for word in words)
        # The last word may go on; the ones before it are whole, because the text goes on behind them.
        query += ":*" if _WORD.search(text[-1]) else ""
        inside &= Q(SearchVectorExact(LOG_WORDS, SearchQuery(query, config="simple", search_type="raw")))
    return _apply(condition, found | inside)


def match_log_words(text: str) -> Q:
    """Return the condition that all words of a text stand in the message, each from the beginning of a word."""
    words = text.split()[:MOST_WORDS]
    found = Q()
    for word in words:
        found &= Q(message__icontains=word)
    parts = _WORD.findall(text.lower())
    if parts:
        query = " & ".join(f"'{part}':*" for part in parts)
        found &= Q(SearchVectorExact(LOG_WORDS, SearchQuery(query, config="simple", search_type="raw")))
    return found


def match_namespace(condition: Condition) -> Q:
    """
    Return the condition on the namespace of log lines. A prefix becomes the list of the namespaces that hold flows, where there
    are any: an index can look for names, but not for a beginning or the name itself at once.
    """
    if condition.operation is not Operation.PREFIX:
        return _plain_namespace(condition)
    value = condition.value
    known = Flow.objects.filter(Q(namespace=value) | Q(namespace__startswith=f"{value}."))
    names = list(known.order_by("namespace").values_list("namespace", flat=True).distinct()[: MOST_FLOWS + 1])
    return Q(namespace__in=names) if 0 < len(names) <= MOST_FLOWS else _plain_namespace(condition)


def _match_flow(text: str) -> Q:
    matching = Flow.objects.filter(Q(flow_id__icontains=text) | Q(namespace__icontains=text))
    names = list(matching.order_by().values_list("namespace", "flow_id")[: MOST_FLOWS + 1])
    if len(names) > MOST_FLOWS:
        # A text that fits so many flows is found everywhere, so that reading on from the newest row ends soon.
        return Q(flow_id__icontains=text) | Q(namespace__icontains=text)
    flows: dict[str, list[str]] = defaultdict(list)
    for namespace, flow_id in names:
        flows[namespace].append(flow_id)
    found = Q(pk__in=[])
    for namespace, ids in flows.items():
        found |= Q(namespace=namespace, flow_id__in=ids)
    return found


def _apply(condition: Condition, found: Q) -> Q:
    if condition.operation in (Operation.EQUALS, Operation.CONTAINS):
        return found if condition.value else Q()
    if condition.operation in (Operation.NOT_EQUALS, Operation.NOT_CONTAINS):
        return ~found
    raise CriteriaError(f'The field "q" does not take the operation {condition.operation}; it takes EQUALS and NOT_EQUALS.')
