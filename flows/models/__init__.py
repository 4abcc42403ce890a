"""Rows, constraints and indexes, split by concept. No decisions are made here."""

from flows.models.access import Account, ApiToken, Binding, Role
from flows.models.audit import AuditEntry
from flows.models.blueprint import Blueprint
from flows.models.bulk import BulkJob, BulkResult
from flows.models.dashboard import Dashboard
from flows.models.execution import Execution
from flows.models.file import NamespaceFile
from flows.models.flow import Flow, FlowRevision
from flows.models.log import LogEntry, Metric
from flows.models.namespace import KeyValue, Namespace, Secret
from flows.models.quota import FlowStart
from flows.models.request import IdempotencyKey
from flows.models.session import UserSession
from flows.models.system import SystemSample, Worker
from flows.models.task_cache import CachedResult
from flows.models.task_run import TaskRun
from flows.models.template import Template, TemplateRevision
from flows.models.trigger import Firing, FlowTriggerWindow, TriggerState, WebhookEvent

__all__ = [
    "Account",
    "ApiToken",
    "AuditEntry",
    "Binding",
    "Blueprint",
    "BulkJob",
    "BulkResult",
    "CachedResult",
    "Dashboard",
    "Execution",
    "Firing",
    "Flow",
    "FlowRevision",
    "FlowStart",
    "FlowTriggerWindow",
    "IdempotencyKey",
    "KeyValue",
    "LogEntry",
    "Metric",
    "Namespace",
    "NamespaceFile",
    "Role",
    "Secret",
    "SystemSample",
    "TaskRun",
    "Template",
    "TemplateRevision",
    "TriggerState",
    "UserSession",
    "WebhookEvent",
    "Worker",
]
