"""What the installation runs and how much: its parts, its figures for a monitoring system, its use."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from flows.api.answers import answer, answer_text
from flows.api.auth import name_of
from flows.api.describing import NUMBER, OBJECT, PAGING, TEXT, describes, list_of, object_of, page_of
from flows.api.endpoint import now
from flows.conf import DEFAULT_TENANT
from flows.operations.acts import check_right
from flows.operations.system import drain_worker, undrain_worker
from flows.primitives.errors import NotFoundError
from flows.primitives.rights import Action, Resource
from flows.queries.health import list_worker_names
from flows.queries.prometheus import write_metrics
from flows.queries.system import list_draining_names
from flows.queries.usage import count_usage

PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def list_services() -> list[dict[str, Any]]:
    """Return the parts of the system that report."""
    services = [{"id": f"web-{DEFAULT_TENANT}", "type": "WEBSERVER", "state": "RUNNING"}]
    draining = list_draining_names()
    services += [
        {"id": name, "type": "WORKER", "state": "DRAINING" if name in draining else "RUNNING"} for name in list_worker_names()
    ]
    return [{**service, "metrics": [], "events": []} for service in services]


@describes(PAGING, answer=page_of("Service"))
def search(request: Request) -> HttpResponse:
    """Return the parts of the system that report."""
    check_right(Action.READ, Resource.SETTING)
    services = list_services()
    return answer({"results": services, "total": len(services)})


@describes(answer="Service")
def get(request: Request, service_id: str) -> HttpResponse:
    """Return one part of the system."""
    check_right(Action.READ, Resource.SETTING)
    found = next((service for service in list_services() if service["id"] == service_id), None)
    if found is None:
        raise NotFoundError(f'No part of the system reports as "{service_id[:100]}".', code="service-not-found")
    return answer(found)


@describes(answer="Service")
def drain(request: Request, service_id: str) -> HttpResponse:
    """Have a worker take no more work: it finishes what it has."""
    drain_worker(service_id, at=now(), actor=name_of(request))
    return answer(_present_worker(service_id, "DRAINING"))


@describes(answer="Service")
def undrain(request: Request, service_id: str) -> HttpResponse:
    """Have a drained worker take work again."""
    undrain_worker(service_id)
    return answer(_present_worker(service_id, "RUNNING"))


def _present_worker(name: str, state: str) -> dict[str, Any]:
    return {"id": name, "type": "WORKER", "state": state, "metrics": [], "events": []}


@describes(answer=object_of(["total", "services"], total=NUMBER, services=list_of(OBJECT)))
def count(request: Request) -> HttpResponse:
    """Return how many parts of each kind report."""
    check_right(Action.READ, Resource.SETTING)
    counts: dict[str, int] = {}
    for service in list_services():
        counts[service["type"]] = counts.get(service["type"], 0) + 1
    return answer({"total": sum(counts.values()), "services": [{"type": kind, "total": total} for kind, total in counts.items()]})


@describes(answer=list_of(OBJECT))
def list_metrics(request: Request, service_type: str) -> HttpResponse:
    """Return the figures that parts of one kind report themselves: none do, see /prometheus."""
    check_right(Action.READ, Resource.SETTING)
    return answer([])


@describes(answer=OBJECT)
def show_maintenance(request: Request) -> HttpResponse:
    """Return whether the system is under maintenance, which it never is: it can be upgraded while it runs."""
    check_right(Action.READ, Resource.SETTING)
    services = {service["id"]: service["state"] for service in list_services()}
    return answer({"maintenance": False, "ready": True, "services": services})


@describes(answer=TEXT, media="text/plain")
def show_prometheus(request: Request) -> HttpResponse:
    """Return the figures of the system as Prometheus text."""
    check_right(Action.READ, Resource.SETTING)
    return answer_text(write_metrics(at=now()).decode(), PROMETHEUS_TYPE)


@describes(answer=OBJECT)
def show_usage(request: Request) -> HttpResponse:
    """Return how much is stored and how much ran today."""
    return answer(count_usage(at=now()))


@describes(answer=object_of(["tags"], tags=list_of(TEXT)))
def list_worker_tags(request: Request) -> HttpResponse:
    """Return the tags that tasks may choose workers by; workers have none."""
    return answer({"tags": []})
