"""Conditions: may this trigger fire for this date, call or execution? The answer carries its reason. Windows are elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from flows.language.flow import Trigger
from flows.primitives.errors import FlowsError
from flows.triggers import date_conditions
from flows.triggers.upstream import UpstreamExecution

FALSY_TEXTS = frozenset({"", "false", "0", "-0"})
MULTIPLE = "MultipleCondition"

TYPE_PREFIXES = ("io.kestra.plugin.core.condition.", "io.kestra.core.models.conditions.types.")
OLD_NAMES = {"VariableCondition": "Expression", "ExpressionCondition": "Expression"}
WITHDRAWN = frozenset({"ExecutionsCondition", "AdvancedExecutionsCondition"})


class ConditionError(FlowsError):
    """A condition cannot be answered: it is written wrongly, its expression fails, or what it looks at is not there."""

    code = "condition"


class Render(Protocol):
    """Renders one text with `variables` added to the names that the caller's surroundings offer."""

    def __call__(self, text: Any, variables: Mapping[str, Any]) -> Any: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """Yes or no, with the reason in words. Usable in `if`."""

    holds: bool
    reason: str

    def __bool__(self) -> bool:
        return self.holds


@dataclass(frozen=True, slots=True)
class Situation:
    """
    What conditions look at.

    Attributes:
        render: renders expression texts.
        variables: names visible to expressions, `trigger` among them.
        date: the date of a schedule, zoned; None when no date is involved.
        execution: the execution that changed; None outside flow triggers.
        namespace, flow_id: the flow that owns the trigger.
        country: ISO 3166-1 code used by PublicHoliday when it names none.
    """

    render: Render
    variables: Mapping[str, Any] = field(default_factory=dict)
    date: datetime | None = None
    execution: UpstreamExecution | None = None
    namespace: str = ""
    flow_id: str = ""
    country: str | None = None


def is_truthy(value: Any) -> bool:
    """
    Tell whether a rendered value counts as true: everything but null, false, zero and the texts "", "false", "0", "-0".

    Texts are compared exactly, without trimming. Source: flow language, 1.2, first row.
    """
    if value is None or value is False:
        return False
    if isinstance(value, str):
        return value not in FALSY_TEXTS
    return not (isinstance(value, (int, float)) and value == 0)


def evaluate_when(text: str | None, situation: Situation) -> Verdict:
    """
    Return whether the `when` of a trigger holds; an absent one does.

    Raises:
        ConditionError: the expression fails.
    """
    if text is None:
        return Verdict(True, "no when is written")
    value = render_in(situation, text)
    return Verdict(is_truthy(value), f'when rendered to "{_shorten(value)}"')


def evaluate_trigger(trigger: Trigger, situation: Situation) -> Verdict:
    """
    Return whether `when`, `conditions` and the older `scheduleConditions` of a trigger all hold.

    Raises:
        ConditionError: one of them cannot be answered; a schedule turns that into a failed execution, others do not fire.
    """
    when = evaluate_when(trigger.when, situation)
    if not when:
        return when
    older = trigger.properties.get("scheduleConditions") or ()
    return evaluate_all([*trigger.conditions, *older], situation)


def has_filters(trigger: Trigger) -> bool:
    """Tell whether anything of the trigger can refuse a date, so that plain schedules skip the evaluation."""
    return trigger.when is not None or bool(trigger.conditions) or bool(trigger.properties.get("scheduleConditions"))


def evaluate_all(conditions: Sequence[Mapping[str, Any]], situation: Situation) -> Verdict:
    """Return a verdict that holds when every condition does, with the reason of the first that does not."""
    for raw in conditions:
        verdict = evaluate_condition(raw, situation)
        if not verdict:
            return verdict
    return Verdict(True, "every condition holds")


def evaluate_condition(raw: Mapping[str, Any], situation: Situation) -> Verdict:
    """
    Return the verdict of one legacy condition.

    Args:
        raw: the mapping as written; `type` may be the canonical name or an older one.
        situation: what to look at.

    Raises:
        ConditionError: unknown type, missing property, failing expression, or no date or execution to look at.

    Source: core tasks, 9.
    """
    name = condition_name(raw)
    evaluate = EVALUATORS.get(name)
    if evaluate is None:
        raise ConditionError(_explain_unknown(name, raw), code="unknown-condition")
    try:
        verdict = evaluate(raw, situation)
    except date_conditions.DateConditionError as error:
        raise ConditionError(f'Condition "{name}": {error}') from error
    return (
        verdict
        if isinstance(verdict, Verdict)
        else Verdict(verdict, f'condition "{name}" {"holds" if verdict else "does not hold"}')
    )


def condition_name(raw: Mapping[str, Any]) -> str:
    """Return the short canonical name of a condition, whatever older type name it was written with."""
    name = str(raw.get("type", ""))
    for prefix in TYPE_PREFIXES:
        name = name.removeprefix(prefix)
    name = OLD_NAMES.get(name, name)
    short = name.removesuffix("Condition")
    return short if short in EVALUATORS else name


def _explain_unknown(name: str, raw: Mapping[str, Any]) -> str:
    if name == MULTIPLE:
        return "MultipleCondition works only directly under the conditions of a Flow trigger."
    if name in WITHDRAWN:
        return f'"{raw.get("type")}" was an experiment that is gone; use the preconditions or dependsOn of the Flow trigger.'
    return f'"{raw.get("type")}" is not a condition type; known ones are {", ".join(sorted(EVALUATORS))}.'


def render_in(situation: Situation, text: Any, extra: Mapping[str, Any] | None = None) -> Any:
    """Return a text rendered with the names of the situation and `extra`. Raises ConditionError when that fails."""
    variables = {**situation.variables, **extra} if extra else situation.variables
    try:
        return situation.render(text, variables)
    except FlowsError as error:
        raise ConditionError(f'The expression "{_shorten(text)}" fails: {error}', code="condition-expression") from error


def _shorten(value: Any, limit: int = 120) -> str:
    text = str(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _required(raw: Mapping[str, Any], key: str) -> Any:
    value = raw.get(key)
    if value is None or value == "" or value == [] or value == {}:
        raise ConditionError(f'Condition "{condition_name(raw)}" needs the property "{key}".')
    return value


def _text(raw: Mapping[str, Any], key: str, situation: Situation) -> str | None:
    value = raw.get(key)
    if value is None:
        return None
    return str(render_in(situation, value)) if isinstance(value, str) else str(value)


def _required_text(raw: Mapping[str, Any], key: str, situation: Situation) -> str:
    _required(raw, key)
    return _text(raw, key, situation) or ""


def _date(raw: Mapping[str, Any], situation: Situation) -> datetime:
    written = raw.get("date")
    if written is not None:
        rendered = render_in(situation, written)
        return date_conditions.read_moment(rendered, "date")
    if situation.date is None:
        raise ConditionError(f'Condition "{condition_name(raw)}" needs a date, but this trigger gives none; set its "date".')
    return situation.date


def _upstream(raw: Mapping[str, Any], situation: Situation) -> UpstreamExecution:
    if situation.execution is None:
        raise ConditionError(f'Condition "{condition_name(raw)}" looks at an execution, but this trigger has none.')
    return situation.execution


def _children(raw: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    children = _required(raw, "conditions")
    if not isinstance(children, list) or not all(isinstance(child, Mapping) for child in children):
        raise ConditionError(f'Condition "{condition_name(raw)}" needs a list of conditions.')
    return children


def _date_time_between(raw: Mapping[str, Any], situation: Situation) -> bool:
    bounds = (_text(raw, "after", situation), _text(raw, "before", situation))
    return date_conditions.is_between(_date(raw, situation), *bounds)


def _time_between(raw: Mapping[str, Any], situation: Situation) -> bool:
    bounds = (_text(raw, "after", situation), _text(raw, "before", situation))
    return date_conditions.is_time_between(_date(raw, situation), *bounds)


def _day_week(raw: Mapping[str, Any], situation: Situation) -> bool:
    return date_conditions.is_weekday(_date(raw, situation), _required_text(raw, "dayOfWeek", situation))


def _day_week_in_month(raw: Mapping[str, Any], situation: Situation) -> bool:
    weekday = _required_text(raw, "dayOfWeek", situation)
    position = _required_text(raw, "dayInMonth", situation)
    return date_conditions.is_weekday_in_month(_date(raw, situation), weekday, position)


def _weekend(raw: Mapping[str, Any], situation: Situation) -> bool:
    return date_conditions.is_weekend(_date(raw, situation))


def _public_holiday(raw: Mapping[str, Any], situation: Situation) -> bool:
    country = _text(raw, "country", situation) or situation.country
    if not country:
        raise ConditionError(
            'Condition "PublicHoliday" names no country and the server has no default; set "country", such as FR.'
        )
    return date_conditions.is_public_holiday(_date(raw, situation), country, _text(raw, "subDivision", situation))


def _expression_holds(value: Any) -> bool:
    # This family trims and knows no "0", unlike `when`: flow language, 1.2, second row.
    if value is None or value is False:
        return False
    text = str(value).strip()
    return text not in ("", "false")


def _expression(raw: Mapping[str, Any], situation: Situation) -> Verdict:
    value = render_in(situation, _required(raw, "expression"))
    return Verdict(_expression_holds(value), f'the expression rendered to "{_shorten(value)}"')


def _execution_outputs(raw: Mapping[str, Any], situation: Situation) -> Verdict:
    execution = _upstream(raw, situation)
    expression = _required(raw, "expression")
    if not execution.outputs:
        return Verdict(False, "the execution has no outputs")
    trigger = situation.variables.get("trigger")
    known = trigger if isinstance(trigger, Mapping) else {}
    value = render_in(situation, expression, {"trigger": {**known, "outputs": dict(execution.outputs)}})
    return Verdict(_expression_holds(value), f'the expression rendered to "{_shorten(value)}"')


def _not(raw: Mapping[str, Any], situation: Situation) -> bool:
    return not any(evaluate_condition(child, situation) for child in _children(raw))


def _or(raw: Mapping[str, Any], situation: Situation) -> bool:
    return any(evaluate_condition(child, situation) for child in _children(raw))


def _execution_flow(raw: Mapping[str, Any], situation: Situation) -> bool:
    execution = _upstream(raw, situation)
    wanted = (_required_text(raw, "namespace", situation), _required_text(raw, "flowId", situation))
    return (execution.namespace, execution.flow_id) == wanted


def _execution_namespace(raw: Mapping[str, Any], situation: Situation) -> bool:
    namespace = _upstream(raw, situation).namespace
    wanted = _required_text(raw, "namespace", situation)
    comparison = _text(raw, "comparison", situation) or ("PREFIX" if _flag(raw, "prefix", situation) else "EQUALS")
    match comparison:
        case "EQUALS":
            return namespace == wanted
        case "PREFIX":
            return namespace.startswith(wanted)
        case "SUFFIX":
            return namespace.endswith(wanted)
    raise ConditionError(f'Condition "ExecutionNamespace" has comparison "{comparison}"; use EQUALS, PREFIX or SUFFIX.')


def _flag(raw: Mapping[str, Any], key: str, situation: Situation) -> bool:
    value = raw.get(key)
    return is_truthy(render_in(situation, value)) if isinstance(value, str) else value is True


def _execution_labels(raw: Mapping[str, Any], situation: Situation) -> bool:
    carried = set(_upstream(raw, situation).labels)
    return all(pair in carried for pair in label_pairs_of(_required(raw, "labels")))


def label_pairs_of(written: Any) -> tuple[tuple[str, str], ...]:
    """
    Return labels written as a map or as a list of `{key, value}` as pairs of texts, in order.

    Raises:
        ConditionError: it is neither.
    """
    if isinstance(written, Mapping):
        return tuple((str(key), _label_text(value)) for key, value in written.items())
    if isinstance(written, (list, tuple)):
        if all(isinstance(item, Mapping) and "key" in item for item in written):
            return tuple((str(item["key"]), _label_text(item.get("value"))) for item in written)
        if all(isinstance(item, (list, tuple)) and len(item) == 2 for item in written):
            return tuple((str(key), _label_text(value)) for key, value in written)
    raise ConditionError('Labels must be a map or a list of {key, value}, such as {"team": "data"}.')


def _label_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def state_names(raw: Mapping[str, Any], key: str) -> frozenset[str] | None:
    """
    Return the states listed under `key`, or None when the list is absent or empty.

    Raises:
        ConditionError: the value is not a list of texts.
    """
    value = raw.get(key)
    if value is None or value == []:
        return None
    if isinstance(value, str):
        return frozenset({value})
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return frozenset(value)
    raise ConditionError(f'"{key}" must be a list of states such as [SUCCESS, WARNING].')


def _execution_status(raw: Mapping[str, Any], situation: Situation) -> Verdict:
    state = _upstream(raw, situation).state
    wanted, refused = state_names(raw, "in"), state_names(raw, "notIn")
    holds = (wanted is None or state in wanted) and (refused is None or state not in refused)
    return Verdict(holds, f"the execution is {state}")


def _has_retry_attempt(raw: Mapping[str, Any], situation: Situation) -> bool:
    wanted, refused = state_names(raw, "in"), state_names(raw, "notIn")
    return any(
        (wanted is None or state in wanted) and (refused is None or state not in refused)
        for states in _upstream(raw, situation).attempt_states
        if len(states) > 1
        for state in states
    )


def _flow(raw: Mapping[str, Any], situation: Situation) -> bool:
    wanted = (_required_text(raw, "namespace", situation), _required_text(raw, "flowId", situation))
    return (situation.namespace, situation.flow_id) == wanted


def _flow_namespace(raw: Mapping[str, Any], situation: Situation) -> bool:
    wanted = _required_text(raw, "namespace", situation)
    return situation.namespace.startswith(wanted) if _flag(raw, "prefix", situation) else situation.namespace == wanted


EVALUATORS: Mapping[str, Callable[[Mapping[str, Any], Situation], bool | Verdict]] = {
    "DateTimeBetween": _date_time_between,
    "TimeBetween": _time_between,
    "DayWeek": _day_week,
    "DayWeekInMonth": _day_week_in_month,
    "Weekend": _weekend,
    "PublicHoliday": _public_holiday,
    "Expression": _expression,
    "ExecutionOutputs": _execution_outputs,
    "Not": _not,
    "Or": _or,
    "ExecutionFlow": _execution_flow,
    "ExecutionNamespace": _execution_namespace,
    "ExecutionLabels": _execution_labels,
    "ExecutionStatus": _execution_status,
    "HasRetryAttempt": _has_retry_attempt,
    "FlowCondition": _flow,
    "FlowNamespaceCondition": _flow_namespace,
}
