"""Triggers that other executions or callers of the web server fire. The platform evaluates them; only properties live here."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, WithJsonSchema

from flows.plugin_api.fields import Duration, Field, Mark, Prop, Properties, Secret, Static, Text
from flows.plugin_api.fields import Output as TaskOutput
from flows.plugin_api.triggers import TriggerType

Expression = Annotated[Static[str], Mark(dynamic=True)]
States = Static[list[Text]]


def _check_network(text: str) -> str:
    try:
        ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise ValueError("expected an address or a network such as 10.0.0.0/8") from error
    return text


Network = Annotated[Text, AfterValidator(_check_network), WithJsonSchema({"type": "string", "format": "network"})]


class UpstreamFlow(Properties):
    """Which upstream executions satisfy one entry of `dependsOn`."""

    flow_id: Static[str] | None = None
    namespace: Static[str] | None = Field(default=None, description="Exact namespace.")
    states: States | None = None
    labels: Static[list[dict[str, Any]] | dict[str, Any]] | None = None
    when: Expression | None = None


class Window(Properties):
    """Time within which all upstream executions must come; exactly one way of saying it."""

    deadline: Static[str] | None = Field(default=None, description="Time of day: from midnight until then.")
    from_: Static[str] | None = Field(default=None, description="Time of day at which the window opens.")
    to: Static[str] | None = Field(default=None, description="Time of day at which the window closes.")
    every: Static[Duration] | None = Field(default=None, description="Length of windows that follow each other from midnight.")
    offset: Static[Duration] | None = None
    lookback: Static[Duration] | None = Field(default=None, description="A window that ends now.")
    timezone: Static[str] | None = None
    fire_once: Static[bool] | None = None


class OnMiss(Properties):
    """What happens when the deadline passes."""

    behavior: Static[Literal["FAIL"]] = "FAIL"
    labels: Static[list[dict[str, Any]] | dict[str, Any]] | None = None


class PreconditionFlow(Properties):
    """One flow that must have ended."""

    namespace: Static[str]
    flow_id: Static[str] | None = None
    states: States | None = None
    labels: Static[list[dict[str, Any]] | dict[str, Any]] | None = None


class PreconditionFilter(Properties):
    """One comparison of a fact of the upstream execution."""

    field: Static[Literal["FLOW_ID", "NAMESPACE", "STATE", "EXPRESSION"]]
    type: Static[
        Literal[
            "EQUAL_TO", "NOT_EQUAL_TO", "IN", "NOT_IN", "IS_TRUE", "IS_FALSE", "IS_NULL", "IS_NOT_NULL",
            "STARTS_WITH", "ENDS_WITH", "REGEX", "CONTAINS",
        ]
    ]  # fmt: skip
    value: Static[str] | None = None
    values: Static[list[Text]] | None = None


class PreconditionWhere(Properties):
    """A named group of comparisons."""

    id: Static[str]
    operand: Static[Literal["AND", "OR"]] = "AND"
    filters: list[PreconditionFilter]


class TimeWindow(Properties):
    """The older way of saying a window."""

    type: Static[Literal["DURATION_WINDOW", "SLIDING_WINDOW", "DAILY_TIME_WINDOW", "DAILY_TIME_DEADLINE"]] = "DURATION_WINDOW"
    window: Static[Duration] | None = None
    window_advance: Static[Duration] | None = None
    start_time: Static[str] | None = None
    end_time: Static[str] | None = None
    deadline: Static[str] | None = None


class Preconditions(Properties):
    """The older way of waiting for several flows."""

    id: Static[str]
    flows: list[PreconditionFlow] = []
    where: list[PreconditionWhere] = []
    time_window: TimeWindow | None = None
    reset_on_success: Static[bool] = True


class FlowTrigger(TriggerType):
    """Start an execution when executions of other flows end."""

    type = "io.kestra.plugin.core.trigger.Flow"
    aliases = ("io.kestra.core.models.triggers.types.Flow",)
    title = "Start after other flows"
    family = "flow"
    examples = (
        """
        id: report
        namespace: company.team
        triggers:
          - id: after_load
            type: io.kestra.plugin.core.trigger.Flow
            dependsOn:
              - {namespace: company.team, flowId: load, states: [SUCCESS]}
        tasks:
          - {id: hello, type: io.kestra.plugin.core.log.Log, message: "{{ trigger.executionId }}"}
        """,
    )

    class Props(Properties):
        depends_on: list[UpstreamFlow] = []
        mode: Static[Literal["ALL", "ANY", "AT_LEAST"]] = "ALL"
        min_satisfied: Static[int] | None = Field(default=None, ge=1, description="How many entries must hold with AT_LEAST.")
        window: Window | None = None
        on_miss: OnMiss | None = None
        states: States | None = Field(default=None, description="All terminal states and PAUSED when absent.")
        preconditions: Preconditions | None = None

    class Output(TaskOutput):
        execution_id: str
        namespace: str
        flow_id: str
        flow_revision: int
        state: str
        execution_labels: dict[str, Any] = {}
        start_date: str | None = None
        end_date: str | None = None
        first_failed_task_id: str | None = None
        last_task_id: str | None = None
        outputs: dict[str, Any] = {}


class WebhookSignature(Properties):
    """How callers sign: HMAC with SHA-256 over the body as it is sent, as hexadecimal or base64 text in a header."""

    secret: Secret[str] = Field(description="What both sides know, such as `{{ secret('HOOK') }}`.")
    header: Static[str] = Field(default="X-Signature", min_length=1, description="Header with the signature.")
    prefix: Static[str] = Field(default="", description="Text in front of the signature, such as `sha256=`.")
    timestamp_header: Static[str] | None = Field(
        default=None,
        description="Header with the seconds since 1970. Then the timestamp, a full stop and the body are signed, and no call is "
        "taken twice.",
    )
    tolerance: Static[Duration] = Field(
        default=timedelta(minutes=5), description="How old, or how far ahead, a timestamp may be."
    )


class CallerRules(Properties):
    """What a webhook asks of its callers besides the key."""

    signature: WebhookSignature | None = Field(default=None, description="Calls must be signed.")
    allowed_addresses: Static[list[Network]] | None = Field(
        default=None, description="Addresses or networks such as `10.0.0.0/8` from which calls are taken."
    )
    allowed_methods: Static[list[Literal["GET", "POST", "PUT"]]] | None = None
    allowed_content_types: Static[list[Text]] | None = Field(
        default=None, description="Media types of the body, `text/*` for all of a kind."
    )
    max_body_bytes: Static[int] | None = Field(default=None, ge=1, description="A larger body is refused.")


class Webhook(TriggerType):
    """Start an execution when somebody calls an address with a secret key."""

    type = "io.kestra.plugin.core.trigger.Webhook"
    aliases = ("io.kestra.core.models.triggers.types.Webhook",)
    title = "Start by an HTTP call"
    family = "webhook"
    examples = (
        """
        id: on_order
        namespace: company.team
        triggers:
          - id: hook
            type: io.kestra.plugin.core.trigger.Webhook
            key: 4wjtkzwVGBM9yKnjm3yv8r4wjtkzwVGBM9
        tasks:
          - {id: show, type: io.kestra.plugin.core.log.Log, message: "{{ trigger.body }}"}
        """,
    )

    class Props(CallerRules):
        key: Secret[str] = Field(max_length=256, description="Last part of the address; at least 32 characters are advised.")
        wait: Static[bool] = Field(default=False, description="Answer when the execution has ended.")
        return_outputs: Static[bool] = Field(default=False, description="Answer with the outputs of the flow; needs `wait`.")
        response_content_type: Static[Literal["application/json", "text/plain"]] | None = None
        response_code: Prop[int] | None = Field(default=None, description="Status of the answer; needs `returnOutputs`.")
        fetch_type: Static[Literal["FETCH", "STORE"]] = Field(
            default="FETCH", description="STORE puts the body in storage: `trigger.uri` instead of `trigger.body`."
        )

    class Output(TaskOutput):
        body: Any = None
        uri: str | None = None
        headers: dict[str, list[str]] = {}
        parameters: dict[str, list[str]] = {}
        parts: list[dict[str, Any]] | None = None
        form_fields: dict[str, Any] | None = None


class BatchWebhook(TriggerType):
    """Collect HTTP calls and start one execution for many of them."""

    type = "io.kestra.plugin.core.trigger.BatchWebhook"
    title = "Start by a number of HTTP calls"
    family = "webhook"
    examples = (
        """
        id: on_clicks
        namespace: company.team
        triggers:
          - id: hook
            type: io.kestra.plugin.core.trigger.BatchWebhook
            key: 9wjtkzwVGBM9yKnjm3yv8r4wjtkzwVGBM2
            eventsCount: 100
            pollingInterval: PT1M
        tasks:
          - {id: show, type: io.kestra.plugin.core.log.Log, message: "{{ trigger.count }} in {{ trigger.uri }}"}
        """,
    )

    class Props(CallerRules):
        key: Secret[str] = Field(max_length=256, description="Last part of the address; at least 32 characters are advised.")
        events_count: Static[int] | None = Field(default=None, ge=1, description="An execution starts at this number of calls.")
        polling_interval: Static[Duration] | None = Field(
            default=None, description="An execution starts this long after the first call that waits."
        )
        event_filter: Expression | None = Field(default=None, description="Calls for which this is false are dropped.")

    class Output(TaskOutput):
        uri: str
        count: int


class ToolAnnotations(Properties):
    """What an AI client may expect of the tool."""

    read_only: Static[bool] = False
    open_world: Static[bool] = True
    destructive: Static[bool] = True
    idempotent: Static[bool] = False
    return_direct: Static[bool] = False


class McpToolTrigger(TriggerType):
    """Offer the flow as a tool that AI clients call."""

    type = "io.kestra.plugin.core.trigger.McpToolTrigger"
    title = "Start by an AI client"
    family = "webhook"
    examples = (
        """
        id: look_up
        namespace: company.team
        triggers:
          - id: tool
            type: io.kestra.plugin.core.trigger.McpToolTrigger
            toolName: look_up
            toolDescription: Looks up a customer.
        tasks:
          - {id: show, type: io.kestra.plugin.core.log.Log, message: called}
        """,
    )

    class Props(Properties):
        tool_name: Static[str] | None = Field(
            default=None, max_length=64, pattern=r"^[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?$", description="Unique per server."
        )
        title: Static[str] | None = None
        tool_description: Static[str]
        mcp_server: Static[str] = "default"
        annotations: ToolAnnotations = ToolAnnotations()
