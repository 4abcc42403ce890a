"""From YAML to the typed flow: what is taken over, how old spellings are read, and what the engine relies on."""

from __future__ import annotations

import json
from datetime import timedelta
from time import perf_counter

import pytest

from flows.language.flow import PluginDefault, Task, WorkerGroup
from flows.language.parse import ParseResult, parse_flow, parse_task, parse_trigger
from flows.plugin_api.registry import Registry
from flows.primitives.problems import Severity

HEAD = "id: f\nnamespace: a.b\n"
LOG = "{id: %s, type: io.kestra.plugin.core.log.Log, message: hi}"


def parse(text: str, registry: Registry) -> ParseResult:
    result = parse_flow(text, registry)
    assert result.flow is not None, "\n".join(map(str, result.problems))
    return result


def parse_one(task: str, registry: Registry) -> Task:
    flow = parse(f"{HEAD}tasks:\n  - {task}\n", registry).flow
    assert flow is not None
    return flow.tasks[0]


def test_the_common_properties_of_a_task_are_typed(registry: Registry) -> None:
    task = parse_one(
        "{id: a, type: io.kestra.plugin.core.log.Log, message: hi, timeout: PT1M, when: '{{ x }}', allowFailure: true,"
        " retry: {type: constant, interval: PT10S, maxAttempts: 3}, logLevel: WARN, workerGroup: {key: gpu, fallback: FAIL},"
        " taskCache: {enabled: true, ttl: PT1H}, description: d}",
        registry,
    )

    assert task.properties == {"message": "hi"}
    assert timedelta(minutes=1) == task.timeout
    assert (task.when, task.allow_failure, task.log_level, task.description) == ("{{ x }}", True, "WARN", "d")
    assert task.retry is not None and (timedelta(seconds=10), 3) == (task.retry.interval, task.retry.max_attempts)
    assert WorkerGroup("gpu", "FAIL") == task.worker_group
    assert (True, timedelta(hours=1)) == (task.cache_enabled, task.cache_ttl)
    assert task.position == (4, 5)


def test_a_timeout_may_be_an_expression(registry: Registry) -> None:
    task = parse_one("{id: a, type: io.kestra.plugin.core.log.Log, message: hi, timeout: '{{ vars.t }}'}", registry)

    assert task.timeout == "{{ vars.t }}"


@pytest.mark.parametrize("written", ["when: false", "when: 'false'", "runIf: false"])
def test_a_literal_condition_is_its_text(written: str, registry: Registry) -> None:
    task = parse_one(f"{{id: a, type: io.kestra.plugin.core.log.Log, message: hi, {written}}}", registry)

    assert task.when == "false"


def test_numbers_in_text_properties_stay_as_written(registry: Registry) -> None:
    task = parse_one("{id: a, type: io.kestra.plugin.core.debug.Return, format: 1.10}", registry)

    assert task.properties == {"format": "1.10"}


def test_numbers_and_booleans_may_be_written_as_text(registry: Registry) -> None:
    task = parse_one(
        f"{{id: a, type: io.kestra.plugin.core.flow.Parallel, concurrent: '3', disabled: 'true', tasks: [{LOG % 'x'}]}}", registry
    )

    assert (task.properties, task.disabled) == ({"concurrent": 3}, True)


def test_a_null_property_counts_as_absent(registry: Registry) -> None:
    task = parse_one("{id: a, type: io.kestra.plugin.core.debug.Return, format: null, retry: null, when: ~}", registry)

    assert (task.properties, task.retry, task.when) == ({}, None, None)


def test_cases_of_a_switch_are_branches_by_their_text(registry: Registry) -> None:
    task = parse_one(
        "{id: s, type: io.kestra.plugin.core.flow.Switch, value: '{{ x }}', "
        f"cases: {{true: [{LOG % 'a'}], 1: [{LOG % 'b'}]}}, defaults: [{LOG % 'c'}]}}",
        registry,
    )

    assert {name: [child.id for child in children] for name, children in task.branches.items()} == {
        "case:true": ["a"],
        "case:1": ["b"],
        "defaults": ["c"],
    }
    assert task.properties == {"value": "{{ x }}"}


def test_a_dag_knows_what_its_tasks_wait_for(registry: Registry) -> None:
    task = parse_one(
        f"{{id: d, type: io.kestra.plugin.core.flow.Dag, tasks: [{{task: {LOG % 'a'}}}, {{task: {LOG % 'b'}, dependsOn: [a]}}]}}",
        registry,
    )

    assert [child.id for child in task.branches["tasks"]] == ["a", "b"]
    assert task.depends_on == {"a": (), "b": ("a",)}


def test_the_task_of_a_pause_is_a_list_of_one(registry: Registry) -> None:
    task = parse_one(
        f"{{id: p, type: io.kestra.plugin.core.flow.Pause, onPause: {LOG % 'x'}, onResume: [{{id: why, type: STRING}}]}}",
        registry,
    )

    assert [child.id for child in task.branches["onPause"]] == ["x"]
    assert [item.id for item in task.inputs] == ["why"]


def test_the_outputs_of_a_loop_are_typed(registry: Registry) -> None:
    task = parse_one(
        "{id: l, type: io.kestra.plugin.core.flow.Loop, values: [1], tasks: [%s], outputs: [{id: o, type: INT, value: 1}]}"
        % (LOG % "x"),
        registry,
    )

    assert [(item.id, item.type, item.value) for item in task.outputs] == [("o", "INT", 1)]


def test_branches_that_are_not_written_are_absent(registry: Registry) -> None:
    task = parse_one(f"{{id: s, type: io.kestra.plugin.core.flow.Sequential, errors: [], tasks: [{LOG % 'x'}]}}", registry)

    assert list(task.branches) == ["tasks"]


@pytest.mark.parametrize(
    ("written", "new"),
    [
        ("tasks:\n  - {id: a, type: io.kestra.core.tasks.log.Log, message: hi}", "io.kestra.plugin.core.log.Log"),
        ("tasks:\n  - {id: a, type: io.kestra.plugin.core.log.Log, message: hi, runIf: 'true'}", "when"),
        (
            "tasks:\n  - {id: a, type: io.kestra.plugin.core.log.Log, message: hi,"
            " retry: {type: constant, interval: PT1S, maxAttempt: 2}}",
            "maxAttempts",
        ),
        (f"tasks:\n  - {{id: a, type: io.kestra.plugin.core.flow.Pause, delay: PT1S, tasks: [{LOG % 'x'}]}}", "pauseDuration"),
        (f"tasks: [{LOG % 'x'}]\ninputs: [{{name: i, type: STRING}}]", "id"),
        (f"tasks: [{LOG % 'x'}]\ninputs: [{{id: i, type: BOOLEAN}}]", "BOOL"),
        (f"tasks: [{LOG % 'x'}]\ninputs: [{{id: i, type: ENUM, values: [A]}}]", "SELECT"),
        (f"tasks: [{LOG % 'x'}]\ninputs: [{{id: i, type: FILE, accept: [.csv]}}]", "allowedFileExtensions"),
        (
            f"tasks: [{LOG % 'x'}]\ntaskDefaults: [{{type: io.kestra.plugin.core.log.Log, values: {{message: m}}}}]",
            "pluginDefaults",
        ),
        (f"tasks: [{LOG % 'x'}]\nchecks: [{{condition: 'true', message: m}}]", "when"),
        (
            f"tasks: [{LOG % 'x'}]\ntriggers:\n"
            "  - {id: t, type: io.kestra.plugin.core.trigger.Webhook, key: k, minLogLevel: INFO}",
            "logLevel",
        ),
        (f"tasks: [{LOG % 'x'}]\nlisteners: [{{tasks: [{LOG % 'y'}]}}]", "afterExecution"),
        ("tasks: [{id: a, type: io.kestra.plugin.core.debug.Echo, format: x}]", "Use Log"),
    ],
)
def test_an_old_spelling_is_accepted_and_reported(written: str, new: str, registry: Registry) -> None:
    result = parse(HEAD + written + "\n", registry)

    reported = result.list_by(Severity.DEPRECATION)
    assert any(new in str(problem) for problem in reported)
    assert all(problem.place is not None for problem in reported)


def test_wait_for_is_a_loop_until(registry: Registry) -> None:
    task = parse_one(f"{{id: w, type: io.kestra.plugin.core.flow.WaitFor, condition: 'true', tasks: [{LOG % 'x'}]}}", registry)

    assert (task.type, task.arrangement) == ("io.kestra.plugin.core.flow.LoopUntil", "loop-until")


def test_the_old_delay_becomes_the_pause_duration(registry: Registry) -> None:
    task = parse_one("{id: p, type: io.kestra.plugin.core.flow.Pause, delay: PT1S}", registry)

    assert task.properties == {"pauseDuration": "PT1S"}


def test_labels_may_be_a_list_or_a_mapping(registry: Registry) -> None:
    as_map = parse(f"{HEAD}labels: {{team: data, tier: 2, on: true}}\ntasks: [{LOG % 'x'}]\n", registry).flow
    as_list = parse(f"{HEAD}labels: [{{key: team, value: data}}, {{key: tier, value: 2}}]\ntasks: [{LOG % 'x'}]\n", registry).flow

    assert as_map is not None and as_list is not None
    assert as_map.labels == (("team", "data"), ("tier", "2"), ("on", "true"))
    assert as_list.labels == (("team", "data"), ("tier", "2"))
    assert as_map.raw["labels"] == [{"key": "team", "value": "data"}, {"key": "tier", "value": 2}, {"key": "on", "value": True}]


def test_the_revision_is_ignored(registry: Registry) -> None:
    flow = parse(f"{HEAD}revision: 7\ntasks: [{LOG % 'x'}]\n", registry).flow

    assert flow is not None and "revision" not in flow.raw


def test_trigger_conditions_are_data_with_canonical_types(registry: Registry) -> None:
    flow = parse(
        f"{HEAD}tasks: [{LOG % 'x'}]\ntriggers:\n  - id: t\n    type: io.kestra.plugin.core.trigger.Flow\n    conditions:\n"
        "      - type: io.kestra.plugin.core.condition.ExecutionStatusCondition\n        in: [SUCCESS]\n"
        "      - type: io.kestra.plugin.core.condition.Not\n        conditions:\n"
        "          - {type: io.kestra.plugin.core.condition.ExecutionStatusCondition, in: [FAILED]}\n",
        registry,
    ).flow

    assert flow is not None
    status = "io.kestra.plugin.core.condition.ExecutionStatus"
    assert (
        {"type": status, "in": ["SUCCESS"]},
        {"type": "io.kestra.plugin.core.condition.Not", "conditions": [{"type": status, "in": ["FAILED"]}]},
    ) == flow.triggers[0].conditions


def test_listeners_become_tasks_after_the_execution(registry: Registry) -> None:
    flow = parse(
        f"{HEAD}tasks: [{LOG % 'x'}]\nlisteners:\n  - conditions:\n"
        "      - {type: io.kestra.plugin.core.condition.ExecutionStatus, in: [FAILED]}\n"
        "      - {type: io.kestra.plugin.core.condition.Expression, expression: '{{ vars.loud }}'}\n"
        f"    tasks: [{LOG % 'y'}]\n",
        registry,
    ).flow

    assert flow is not None
    assert [task.id for task in flow.after_execution] == ["y"]
    assert flow.after_execution[0].when == "{{ (['FAILED'] contains execution.state) and (vars.loud) }}"


def test_a_listener_condition_without_counterpart_is_refused(registry: Registry) -> None:
    result = parse_flow(
        f"{HEAD}tasks: [{LOG % 'x'}]\nlisteners:\n  - conditions: [{{type: io.kestra.plugin.core.condition.PublicHoliday}}]\n"
        f"    tasks: [{LOG % 'y'}]\n",
        registry,
    )

    assert [problem.code for problem in result.list_by(Severity.ERROR)] == ["listener-condition"]


def test_a_worker_selector_is_a_group_of_tags(registry: Registry) -> None:
    task = parse_one("{id: a, type: io.kestra.plugin.core.log.Log, message: hi, workerSelector: {tags: [ssd, gpu]}}", registry)

    assert WorkerGroup("gpu,ssd", "FAIL", ("ssd", "gpu"), "ALL") == task.worker_group


def test_a_nested_plugin_gets_its_canonical_type_and_is_checked(registry: Registry) -> None:
    script = "{id: a, type: io.kestra.plugin.scripts.python.Script, script: x, taskRunner: {type: %s}}"
    task = parse_one(script % "io.kestra.plugin.core.runner.Process, delay: 1", registry)
    _, problems = parse_task(script % "io.kestra.plugin.core.runner.Process, dely: 1", registry)
    _, unknown = parse_task(script % "io.kestra.plugin.core.runner.Nope", registry)

    assert task.properties["taskRunner"] == {"type": "io.kestra.plugin.core.runner.Process", "delay": 1}
    assert [problem.code for problem in problems] == ["unknown-property"]
    assert [problem.code for problem in unknown] == ["unknown-runner-type"]


def test_namespace_defaults_fill_required_properties(registry: Registry) -> None:
    defaults = [PluginDefault("io.kestra.plugin.core.log", {"message": "from above", "level": "WARN"})]
    text = f"{HEAD}tasks:\n  - {{id: a, type: io.kestra.core.tasks.log.Log, level: INFO}}\n"

    flow = parse_flow(text, registry, namespace_defaults=defaults).flow

    assert flow is not None
    assert flow.tasks[0].properties == {"message": "from above", "level": "INFO"}
    assert flow.raw["tasks"][0] == {"id": "a", "type": "io.kestra.core.tasks.log.Log", "level": "INFO"}


def test_one_task_and_one_trigger_can_be_read_alone(registry: Registry) -> None:
    task, _ = parse_task(LOG % "a", registry)
    trigger, _ = parse_trigger("{id: t, type: io.kestra.plugin.core.trigger.Schedule, cron: '@daily'}", registry)

    assert task is not None and task.id == "a"
    assert trigger is not None and (trigger.id, trigger.family, trigger.properties) == ("t", "schedule", {"cron": "@daily"})


def test_a_flow_trigger_without_filter_is_a_warning(registry: Registry) -> None:
    result = parse(f"{HEAD}tasks: [{LOG % 'x'}]\ntriggers: [{{id: t, type: io.kestra.plugin.core.trigger.Flow}}]\n", registry)

    assert [problem.code for problem in result.list_by(Severity.WARNING)] == ["unfiltered-flow-trigger"]


def test_the_rest_of_a_flow_is_typed(registry: Registry) -> None:
    flow = parse(
        f"{HEAD}tasks: [{LOG % 'x'}]\nerrors: [{LOG % 'e'}]\nfinally: [{LOG % 'f'}]\nafterExecution: [{LOG % 'z'}]\n"
        "concurrency: {limit: 2}\nsla: [{id: s, type: MAX_DURATION, behavior: FAIL, duration: PT1S, labels: {a: b}}]\n"
        "checks: [{when: 'true', message: m}]\nvariables: {v: '{{ x }}'}\noutputs: [{id: o.p, type: STRING, value: 1}]\n"
        "retry: {type: random, minInterval: PT1S, maxInterval: PT2S}\ndisabled: true\n",
        registry,
    ).flow

    assert flow is not None
    assert [task.id for task in flow.all_tasks()] == ["x", "e", "f", "z"]
    assert flow.concurrency is not None and (flow.concurrency.limit, flow.concurrency.behavior) == (2, "QUEUE")
    assert (timedelta(seconds=1), (("a", "b"),)) == (flow.slas[0].duration, flow.slas[0].labels)
    assert (flow.checks[0].behavior, flow.checks[0].style) == ("BLOCK_EXECUTION", "INFO")
    assert flow.retry is not None and flow.disabled and flow.variables == {"v": "{{ x }}"}


@pytest.mark.parametrize(
    ("declared", "given", "codes"),
    [
        ("{id: a, type: STRING}", "", ["missing-trigger-inputs"]),
        ("{id: a.b, type: STRING}", ", inputs: {a: {b: x}}", []),
        ("{id: a, type: STRING}", ", inputs: {a: x}", []),
        ("{id: a, type: STRING, defaults: x}", "", []),
        ("{id: a, type: STRING, required: false}", "", []),
        ("{id: a, type: STRING}", ", disabled: true", []),
    ],
)
def test_a_schedule_that_leaves_out_a_required_input_is_a_warning(
    declared: str, given: str, codes: list[str], registry: Registry
) -> None:
    schedule = f"{{id: t, type: io.kestra.plugin.core.trigger.Schedule, cron: '@daily'{given}}}"

    result = parse(f"{HEAD}inputs: [{declared}]\ntasks: [{LOG % 'x'}]\ntriggers: [{schedule}]\n", registry)

    assert [problem.code for problem in result.list_by(Severity.WARNING)] == codes


@pytest.mark.parametrize(
    "message",
    [
        "{{ inputs['my-key'] }}",
        "{{ inputs.my - key }}",
        "{{ inputs.my-key-too }}",
        "{% raw %}{{ inputs.my-key }}{% endraw %}",
        "{%- verbatim -%} {{ outputs.my-task.value }} {%- endverbatim -%}",
        "{# {{ inputs.my-key }} #}",
    ],
)
def test_only_what_is_rendered_and_names_a_dashed_key_is_refused(message: str, registry: Registry) -> None:
    text = f"{HEAD}inputs: [{{id: my-key, type: STRING}}]\ntasks:\n  - {LOG % 'my-task'}\n"
    reading = f"  - {{id: reads, type: io.kestra.plugin.core.log.Log, message: {json.dumps(message)}}}\n"

    assert [problem.code for problem in parse(text + reading, registry).problems] == []


def test_thousands_of_tasks_with_a_dash_are_checked_while_somebody_types(registry: Registry) -> None:
    text = f"{HEAD}tasks:\n" + "".join(f"  - {LOG % f'my-task-{number}'}\n" for number in range(3000))
    begun = perf_counter()

    result = parse(text, registry)

    assert result.flow is not None
    assert perf_counter() - begun < 4
