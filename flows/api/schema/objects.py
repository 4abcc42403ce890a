"""The objects of the API as JSON schemas, for the OpenAPI document. Answers may hold more keys than are listed here."""

from __future__ import annotations

from typing import Any

from flows.api.describing import ANYTHING, FLAG, MOMENT, NUMBER, OBJECT, TEXT, Schema, list_of, map_of, object_of, ref
from flows.primitives.states import State

LABEL = object_of(["key", "value"], key=TEXT, value=TEXT)
LEVEL: Schema = {"type": "string", "enum": ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"]}
STATE_WORD: Schema = {"type": "string", "enum": [*(state.value for state in State)]}
COUNT: Schema = {"type": "integer", "minimum": 0}

OBJECTS: dict[str, Schema] = {
    "Error": object_of(
        ["message", "status", "title", "detail"],
        message=TEXT,
        title=TEXT,
        status=NUMBER,
        detail=TEXT,
        code=TEXT,
        _embedded=OBJECT,
        _links=OBJECT,
        invalids=list_of(OBJECT),
    ),
    "Label": LABEL,
    "State": object_of(
        ["current", "histories", "startDate", "duration"],
        current=STATE_WORD,
        histories=list_of(object_of(["state", "date"], state=STATE_WORD, date=TEXT)),
        startDate=TEXT,
        endDate=TEXT,
        duration=TEXT,
    ),
    "TaskRun": object_of(
        ["id", "taskId", "executionId", "namespace", "flowId", "state"],
        id=TEXT,
        taskId=TEXT,
        executionId=TEXT,
        namespace=TEXT,
        flowId=TEXT,
        state=ref("State"),
        parentTaskRunId=TEXT,
        value=TEXT,
        attempts=list_of(OBJECT),
        outputs=OBJECT,
    ),
    "Execution": object_of(
        ["id", "namespace", "flowId", "flowRevision", "state", "originalId", "labels", "metadata", "deleted"],
        id=TEXT,
        tenantId=TEXT,
        namespace=TEXT,
        flowId=TEXT,
        flowRevision=NUMBER,
        state=ref("State"),
        originalId=TEXT,
        parentId=TEXT,
        labels=list_of("Label"),
        inputs=OBJECT,
        outputs=OBJECT,
        variables=OBJECT,
        taskRunList=list_of("TaskRun"),
        trigger=OBJECT,
        metadata=OBJECT,
        scheduleDate=MOMENT,
        kind=TEXT,
        deleted=FLAG,
        url=TEXT,
    ),
    "Flow": object_of(
        ["id", "namespace", "revision", "disabled", "deleted"],
        id=TEXT,
        namespace=TEXT,
        tenantId=TEXT,
        revision={"type": "integer", "minimum": 1},
        updated=TEXT,
        description=TEXT,
        disabled=FLAG,
        draft=FLAG,
        deleted=FLAG,
        labels=list_of("Label"),
        inputs=list_of(OBJECT),
        outputs=list_of(OBJECT),
        variables=OBJECT,
        tasks=list_of(OBJECT),
        triggers=list_of(OBJECT),
        source=TEXT,
    ),
    "FlowForExecution": object_of(["id", "namespace", "revision"], id=TEXT, namespace=TEXT, revision=NUMBER),
    "Task": object_of(["id", "type"], id=TEXT, type=TEXT),
    "Check": object_of(
        ["index"],
        index=COUNT,
        filename=TEXT,
        namespace=TEXT,
        flow=TEXT,
        constraints=TEXT,
        outdated=FLAG,
        deprecationPaths=list_of(TEXT),
        warnings=list_of(TEXT),
        infos=list_of(TEXT),
    ),
    "LogEntry": object_of(
        ["namespace", "flowId", "timestamp", "level", "message"],
        namespace=TEXT,
        flowId=TEXT,
        executionId=TEXT,
        taskId=TEXT,
        taskRunId=TEXT,
        triggerId=TEXT,
        timestamp=TEXT,
        level=LEVEL,
        message=TEXT,
    ),
    "LogPage": object_of(["results", "total", "type"], results=list_of("LogEntry"), total=COUNT, type=TEXT, nextCursor=TEXT),
    "Metric": object_of(
        ["namespace", "flowId", "type", "name", "value"],
        namespace=TEXT,
        flowId=TEXT,
        executionId=TEXT,
        taskId=TEXT,
        taskRunId=TEXT,
        type=TEXT,
        name=TEXT,
        value={"type": "number"},
        timestamp=TEXT,
        tags=map_of(TEXT),
    ),
    "MetricAggregation": object_of(
        ["groupBy", "aggregations"],
        groupBy=TEXT,
        aggregations=list_of(object_of(name=TEXT, value={"type": ["number", "null"]}, date=TEXT)),
    ),
    "TriggerState": object_of(
        ["namespace", "flowId", "triggerId", "disabled"],
        namespace=TEXT,
        flowId=TEXT,
        triggerId=TEXT,
        disabled=FLAG,
        locked=FLAG,
        date=TEXT,
        nextEvaluationDate=TEXT,
        nextExecutionDate=TEXT,
        lastTriggeredDate=TEXT,
        executionId=TEXT,
        kind=TEXT,
        backfill=OBJECT,
    ),
    "TriggerRow": object_of(["trigger", "state"], trigger=OBJECT, state=ref("TriggerState")),
    "TriggerName": object_of(["namespace", "flowId", "triggerId"], namespace=TEXT, flowId=TEXT, triggerId=TEXT),
    "FlowName": object_of(["namespace", "id"], namespace=TEXT, id=TEXT),
    "Bulk": object_of(["count", "totalItems"], count=COUNT, totalItems=COUNT, operationId=TEXT),
    "BulkOperation": object_of(
        ["id", "kind", "action", "state", "done", "skipped", "failed", "startDate"],
        id=TEXT,
        kind={"type": "string", "enum": ["execution", "flow"]},
        action=TEXT,
        state={"type": "string", "enum": ["WAITING", "RUNNING", "DONE", "STOPPED", "FAILED"]},
        stopping=FLAG,
        total=COUNT,
        done=COUNT,
        skipped=COUNT,
        failed=COUNT,
        problem=TEXT,
        startDate=MOMENT,
        endDate=MOMENT,
        url=TEXT,
        results=list_of(object_of(["id", "outcome", "reason"], id=TEXT, outcome=TEXT, reason=TEXT)),
    ),
    "Key": object_of(
        ["namespace", "key"], namespace=TEXT, key=TEXT, description=TEXT, creationDate=TEXT, updateDate=TEXT, expirationDate=TEXT
    ),
    "KeyValue": object_of(["type", "value"], type=TEXT, value=ANYTHING, revision=NUMBER, updated=TEXT),
    "Namespace": object_of(
        ["id", "deleted"], id=TEXT, deleted=FLAG, description=TEXT, variables=OBJECT, pluginDefaults=list_of(OBJECT)
    ),
    "Secret": object_of(["key", "namespace"], key=TEXT, namespace=TEXT, description=TEXT, tags=list_of(ANYTHING)),
    "SecretPage": object_of(["results", "total"], readOnly=FLAG, results=list_of("Secret"), total=COUNT),
    "File": object_of(
        ["fileName", "type", "size"],
        fileName=TEXT,
        type={"type": "string", "enum": ["File", "Directory"]},
        size=COUNT,
        lastModifiedTime=NUMBER,
        creationTime=NUMBER,
    ),
    "FileSize": object_of(["size"], size=COUNT),
    "Preview": object_of(["extension", "type"], extension=TEXT, type=TEXT, content=ANYTHING, maxLine=NUMBER, truncated=FLAG),
    "Graph": object_of(["nodes", "edges", "clusters"], nodes=list_of(OBJECT), edges=list_of(OBJECT), clusters=list_of(OBJECT)),
    "Dependencies": object_of(["nodes", "edges"], nodes=list_of(OBJECT), edges=list_of(OBJECT)),
    "Dashboard": object_of(
        ["id", "title", "deleted"], id=TEXT, title=TEXT, deleted=FLAG, description=TEXT, charts=list_of(OBJECT), sourceCode=TEXT
    ),
    "Configuration": object_of(["version", "edition"], version=TEXT, platformVersion=TEXT, edition=TEXT, uuid=TEXT, url=TEXT),
    "Plugin": object_of(["name", "group"], name=TEXT, title=TEXT, group=TEXT, version=TEXT, tasks=list_of(ANYTHING)),
    "PluginPage": object_of([], markdown=TEXT, schema=OBJECT),
    "Service": object_of(["id", "type", "state"], id=TEXT, type=TEXT, state=TEXT),
    "Token": object_of(["id", "name"], id=TEXT, name=TEXT, prefix=TEXT, exp=TEXT, expired=FLAG),
    "NewToken": object_of(["id", "name", "fullToken"], id=TEXT, name=TEXT, fullToken=TEXT),
    "Blueprint": object_of(["id", "title"], id=TEXT, title=TEXT, description=TEXT, tags=list_of(TEXT), source=TEXT),
    "Template": object_of(["id", "namespace"], id=TEXT, namespace=TEXT, tasks=list_of(OBJECT)),
    "Evaluation": object_of([], result=ANYTHING, error=TEXT, stackTrace=TEXT),
    "InputCheck": object_of(
        ["id", "namespace", "inputs"], id=TEXT, namespace=TEXT, inputs=list_of(OBJECT), checks=list_of(OBJECT)
    ),
    "Health": object_of(["status"], status=TEXT),
}


def add_objects(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the objects and the ways to sign in to the document. A hook of drf-spectacular."""
    components = result.setdefault("components", {})
    components["schemas"] = {name: dict(schema) for name, schema in OBJECTS.items()}
    components["securitySchemes"] = {
        "basic": {"type": "http", "scheme": "basic"},
        "token": {"type": "http", "scheme": "bearer", "description": "An API token; see /api/v1/me/api-tokens."},
        "session": {"type": "apiKey", "in": "cookie", "name": "celestra-session"},
    }
    return result
