"""Flows that must be refused: every row says which problem is found and in which line."""

from __future__ import annotations

import pytest

from flows.language.parse import parse_flow
from flows.plugin_api.registry import Registry
from flows.primitives.problems import Severity

HEAD = "id: f\nnamespace: a.b\n"
TASKS = "tasks:\n  - {id: x, type: io.kestra.plugin.core.log.Log, message: hi}\n"
OK = HEAD + TASKS
CORE = "io.kestra.plugin.core"
SCHEDULE = f"{CORE}.trigger.Schedule"
WEBHOOK = f"{CORE}.trigger.Webhook"


def one(task: str) -> str:
    """A flow with one task, whose first line is line 4."""
    return f"{HEAD}tasks:\n  - {task}\n"


def log(name: str, extra: str = "") -> str:
    return f"{{id: {name}, type: {CORE}.log.Log, message: hi{extra}}}"


BAD: dict[str, tuple[str, str, int]] = {
    "nothing": ("", "empty-document", 1),
    "a list": ("- a\n", "wrong-type", 1),
    "a word": ("hello\n", "wrong-type", 1),
    "broken yaml": ("id: f\nnamespace: [a\ntasks: x\n", "yaml-syntax", 3),
    "unquoted expression": (f"{HEAD}tasks:\n  - id: a\n    type: {CORE}.log.Log\n    message: {{{{ x }}}}\n", "yaml-key", 6),
    "a tab": ("id: f\n\tnamespace: x\n", "yaml-syntax", 2),
    "a tag": (HEAD + "description: !!str x\n" + TASKS, "yaml-tag", 3),
    "a key twice": (HEAD + "id: g\n" + TASKS, "duplicate-key", 3),
    "no id": ("namespace: a.b\n" + TASKS, "required", 1),
    "no namespace": ("id: f\n" + TASKS, "required", 1),
    "no tasks": (HEAD, "empty", 1),
    "a short quota": (OK + "quotas:\n  - {duration: PT30S, limit: 1}\n", "quota-duration", 6),
    "a quota twice": (OK + "quotas:\n  - {duration: PT60M, limit: 1}\n  - {duration: PT1H, limit: 2}\n", "duplicate-quota", 7),
    "a quota of nothing": (OK + "quotas:\n  - {duration: PT1H, limit: 0}\n", "wrong-value", 6),
    "empty tasks": (HEAD + "tasks: []\n", "empty", 3),
    "null tasks": (HEAD + "tasks:\n", "empty", 1),
    "tasks as mapping": (HEAD + "tasks:\n  a: b\n", "wrong-type", 4),
    "a task that is a word": (one("hello"), "wrong-type", 4),
    "bad flow id": ("id: my#flow\nnamespace: a.b\n" + TASKS, "invalid-id", 1),
    "long flow id": (f"id: {'a' * 101}\nnamespace: a.b\n" + TASKS, "invalid-id", 1),
    "id as list": ("id: [a]\nnamespace: a.b\n" + TASKS, "wrong-type", 1),
    "upper-case namespace": ("id: f\nnamespace: A.B\n" + TASKS, "invalid-id", 2),
    "unknown flow property": (OK + "trigers: []\n", "unknown-property", 5),
    "helper key": (OK + "x-common: &c {a: 1}\n", "unknown-property", 5),
    "no task id": (one(f"{{type: {CORE}.log.Log, message: hi}}"), "required", 4),
    "no task type": (one("{id: a}"), "required", 4),
    "dotted task id": (one(log("a.b")), "invalid-id", 4),
    "look-alike task id": (one(log("раураl")), "invalid-id", 4),
    "unknown task type": (one("{id: a, type: io.kestra.plugin.core.log.Logg}"), "unknown-task-type", 4),
    "trigger as task": (one(f"{{id: a, type: {WEBHOOK}, key: k}}"), "unknown-task-type", 4),
    "short type": (one("{id: a, type: log.Log}"), "unknown-task-type", 4),
    "unknown task property": (
        f"{HEAD}tasks:\n  - id: a\n    type: {CORE}.log.Log\n    message: m\n    mesage: n\n",
        "unknown-property",
        7,
    ),
    "missing task property": (one(f"{{id: a, type: {CORE}.log.Log}}"), "required", 4),
    "null required property": (one(f"{{id: a, type: {CORE}.log.Log, message: null}}"), "required", 4),
    "word for a number": (one(f"{{id: a, type: {CORE}.flow.Parallel, concurrent: many, tasks: [{log('b')}]}}"), "wrong-type", 4),
    "negative number": (one(f"{{id: a, type: {CORE}.flow.Parallel, concurrent: -1, tasks: [{log('b')}]}}"), "wrong-type", 4),
    "mapping for a text": (one(f"{{id: a, type: {CORE}.debug.Return, format: {{b: c}}}}"), "wrong-type", 4),
    "list item of wrong type": (one(f"{{id: a, type: {CORE}.log.Log, message: [a, {{b: c}}]}}"), "wrong-type", 4),
    "word outside an enumeration": (one(log("a", ", level: LOUD")), "wrong-value", 4),
    "bad duration": (one(f"{{id: a, type: {CORE}.flow.Sleep, duration: 5 minutes}}"), "wrong-type", 4),
    "bad timeout": (one(log("a", ", timeout: 1 hour")), "wrong-type", 4),
    "weeks": (one(log("a", ", timeout: P1W")), "wrong-type", 4),
    "word for a flag": (one(log("a", ", disabled: maybe")), "wrong-type", 4),
    "bad log level": (one(log("a", ", logLevel: LOUD")), "wrong-value", 4),
    "retry without type": (one(log("a", ", retry: {interval: PT1S}")), "required", 4),
    "retry of unknown type": (one(log("a", ", retry: {type: linear, interval: PT1S}")), "wrong-value", 4),
    "constant retry without interval": (one(log("a", ", retry: {type: constant}")), "required", 4),
    "exponential retry without limit": (one(log("a", ", retry: {type: exponential, interval: PT1S}")), "required", 4),
    "exponential retry upside down": (
        one(log("a", ", retry: {type: exponential, interval: PT9S, maxInterval: PT1S}")),
        "retry-bounds",
        4,
    ),
    "random retry upside down": (
        one(log("a", ", retry: {type: random, minInterval: PT2S, maxInterval: PT2S}")),
        "retry-bounds",
        4,
    ),
    "retry longer than its whole": (
        one(log("a", ", retry: {type: constant, interval: PT9S, maxDuration: PT5S}")),
        "retry-bounds",
        4,
    ),
    "no attempts": (one(log("a", ", retry: {type: constant, interval: PT1S, maxAttempts: 0}")), "wrong-value", 4),
    "instant retry": (one(log("a", ", retry: {type: constant, interval: PT0S}")), "retry-bounds", 4),
    "unknown retry property": (one(log("a", ", retry: {type: constant, interval: PT1S, x: 1}")), "unknown-property", 4),
    "old and new name": (one(log("a", ", when: a, runIf: b")), "duplicate-key", 4),
    "bad worker group": (one(log("a", ", workerGroup: {key: 'a b'}")), "invalid-id", 4),
    "task id twice": (f"{HEAD}tasks:\n  - {log('a')}\n  - {log('a')}\n", "duplicate-task", 5),
    "task id twice across branches": (f"{OK}errors:\n  - {log('x')}\n", "duplicate-task", 6),
    "hidden id of a split": (
        f"{HEAD}tasks:\n  - {log('a_items')}\n  - {{id: a, type: {CORE}.flow.ForEachItem, items: i, namespace: n, flowId: g}}\n",
        "duplicate-task",
        5,
    ),
    "empty sequence": (one(f"{{id: a, type: {CORE}.flow.Sequential, tasks: []}}"), "empty", 4),
    "sequence without tasks": (one(f"{{id: a, type: {CORE}.flow.Sequential}}"), "empty", 4),
    "if without then": (one(f"{{id: a, type: {CORE}.flow.If, condition: x}}"), "empty", 4),
    "switch without cases": (one(f"{{id: a, type: {CORE}.flow.Switch, value: x, cases: {{}}}}"), "empty-switch", 4),
    "switch with an empty case": (
        one(f"{{id: a, type: {CORE}.flow.Switch, value: x, cases: {{x: [], y: [{log('b')}]}}}}"),
        "empty",
        4,
    ),
    "switch with empty defaults": (
        one(f"{{id: a, type: {CORE}.flow.Switch, value: x, cases: {{y: [{log('b')}]}}, defaults: []}}"),
        "empty",
        4,
    ),
    "switch with a list of cases": (one(f"{{id: a, type: {CORE}.flow.Switch, value: x, cases: [a]}}"), "wrong-type", 4),
    "error deep inside": (
        f"{HEAD}tasks:\n  - id: a\n    type: {CORE}.flow.Parallel\n    tasks:\n      - id: b\n"
        f"        type: {CORE}.flow.Sequential\n        tasks:\n          - {{id: c, type: nope}}\n",
        "unknown-task-type",
        10,
    ),
    "preconditions twice": (
        f"{OK}triggers:\n"
        + "".join(
            f"  - {{id: {name}, type: {CORE}.trigger.Flow, preconditions: {{id: p, flows: [{{namespace: n, flowId: g}}]}}}}\n"
            for name in "ab"
        ),
        "duplicate-preconditions",
        7,
    ),
    "items of a secret": (OK + "inputs:\n  - {id: i, type: ARRAY, itemType: SECRET}\n", "wrong-value", 6),
    "items with a choice": (OK + "inputs:\n  - {id: i, type: ARRAY, itemType: SELECT}\n", "wrong-value", 6),
    "items with entries": (OK + "inputs:\n  - {id: i, type: ARRAY, itemType: OBJECT}\n", "wrong-value", 6),
    "rows upside down": (
        OK + "inputs:\n  - {id: i, type: TABLE, rows: {min: 3, max: 1}, columns: [{id: c, type: INT}]}\n",
        "bounds",
        6,
    ),
    "an input with a dash": (
        f"{HEAD}inputs:\n  - {{id: my-key, type: STRING}}\ntasks:\n"
        f"  - {{id: a, type: {CORE}.log.Log, message: '{{{{ inputs.my-key }}}}'}}\n",
        "dashed-name",
        6,
    ),
    "outputs of a task with a dash": (
        f"{HEAD}tasks:\n  - {log('my-task')}\n  - {{id: a, type: {CORE}.log.Log, message: '{{{{outputs.my-task.value}}}}'}}\n",
        "dashed-name",
        5,
    ),
    "dag in a circle": (
        f"{HEAD}tasks:\n  - id: d\n    type: {CORE}.flow.Dag\n    tasks:\n      - task: {log('a')}\n        dependsOn: [b]\n"
        f"      - task: {log('b')}\n        dependsOn: [a]\n",
        "dependency-cycle",
        4,
    ),
    "dag with unknown task": (
        f"{HEAD}tasks:\n  - id: d\n    type: {CORE}.flow.Dag\n    tasks:\n      - task: {log('a')}\n        dependsOn: [z]\n",
        "unknown-dependency",
        7,
    ),
    "dag without wrapper": (
        f"{HEAD}tasks:\n  - id: d\n    type: {CORE}.flow.Dag\n    tasks:\n      - {log('a')}\n",
        "unknown-property",
        7,
    ),
    "flowable in a directory": (
        one(f"{{id: w, type: {CORE}.flow.WorkingDirectory, tasks: [{{id: p, type: {CORE}.flow.Pause}}]}}"),
        "directory-child",
        4,
    ),
    "worker group in a directory": (
        one(f"{{id: w, type: {CORE}.flow.WorkingDirectory, tasks: [{log('a', ', workerGroup: {key: g}')}]}}"),
        "directory-worker-group",
        4,
    ),
    "calls itself": (one(f"{{id: s, type: {CORE}.flow.Subflow, namespace: a.b, flowId: f}}"), "recursive-flow", 4),
    "input without id": (OK + "inputs:\n  - {type: STRING}\n", "required", 6),
    "input of unknown type": (OK + "inputs:\n  - id: i\n    type: TEXT\n", "invalid-type", 7),
    "input twice": (OK + "inputs:\n  - {id: i, type: INT}\n  - {id: i, type: INT}\n", "duplicate-input", 7),
    "input with unknown option": (OK + "inputs:\n  - {id: i, type: INT, validator: x}\n", "unknown-property", 6),
    "input with broken pattern": (OK + "inputs:\n  - {id: i, type: STRING, validator: '('}\n", "wrong-value", 6),
    "input that depends on nobody": (OK + "inputs:\n  - {id: i, type: INT, dependsOn: {inputs: [j]}}\n", "unknown-input", 6),
    "inputs in a circle": (
        OK + "inputs:\n  - {id: i, type: INT, dependsOn: {inputs: [j]}}\n  - {id: j, type: INT, dependsOn: {inputs: [i]}}\n",
        "dependency-cycle",
        6,
    ),
    "array without item type": (OK + "inputs:\n  - {id: i, type: ARRAY}\n", "required", 6),
    "array of arrays": (OK + "inputs:\n  - {id: i, type: ARRAY, itemType: ARRAY}\n", "wrong-value", 6),
    "select without values": (OK + "inputs:\n  - {id: i, type: SELECT}\n", "required", 6),
    "default that does not fit": (OK + "inputs:\n  - {id: i, type: INT, defaults: many}\n", "invalid-default", 6),
    "default outside its bounds": (OK + "inputs:\n  - {id: i, type: INT, max: 1, defaults: 2}\n", "invalid-default", 6),
    "bound that is no date": (OK + "inputs:\n  - {id: i, type: DATE, after: soon}\n", "invalid-default", 6),
    "input that is also a level": (OK + "inputs:\n  - {id: a, type: INT}\n  - {id: a.b, type: INT}\n", "overlapping-id", 6),
    "broken expression": (one("{id: a, type: io.kestra.plugin.core.debug.Return, format: '{{ a b }}'}"), "expression-syntax", 4),
    "broken condition": (one(log("a", ", when: '{{ 1 + }}'")), "expression-syntax", 4),
    "form in a form": (
        OK + "inputs:\n  - {id: i, type: FORM, inputs: [{id: j, type: FORM, inputs: []}]}\n",
        "invalid-type",
        6,
    ),
    "inputs as mapping": (OK + "inputs:\n  a: b\n", "wrong-type", 6),
    "output without value": (OK + "outputs:\n  - {id: o, type: INT}\n", "required", 6),
    "output twice": (OK + "outputs:\n  - {id: o, value: 1}\n  - {id: o, value: 2}\n", "duplicate-output", 7),
    "output of unknown type": (OK + "outputs:\n  - {id: o, type: SELECT, value: 1}\n", "wrong-value", 6),
    "trigger of unknown type": (OK + "triggers:\n  - {id: t, type: nope}\n", "unknown-trigger-type", 6),
    "trigger twice": (
        OK + f"triggers:\n  - {{id: t, type: {WEBHOOK}, key: a}}\n  - {{id: t, type: {WEBHOOK}, key: b}}\n",
        "duplicate-trigger",
        7,
    ),
    "cron with four fields": (
        OK + f"triggers:\n  - {{id: t, type: {SCHEDULE}, cron: '* * * *'}}\n",
        "invalid-cron",
        6,
    ),
    "cron out of range": (
        OK + f"triggers:\n  - {{id: t, type: {SCHEDULE}, cron: '60 * * * *'}}\n",
        "invalid-cron",
        6,
    ),
    "unknown condition": (
        OK + f"triggers:\n  - id: t\n    type: {CORE}.trigger.Webhook\n    key: k\n    conditions:\n      - type: nope\n",
        "unknown-condition-type",
        10,
    ),
    "two windows": (
        OK + f"triggers:\n  - {{id: t, type: {CORE}.trigger.Flow, dependsOn: [{{}}], window: {{every: P1D, lookback: P1D}}}}\n",
        "window",
        6,
    ),
    "more conditions than there are": (
        OK + f"triggers:\n  - {{id: t, type: {CORE}.trigger.Flow, dependsOn: [{{}}], mode: AT_LEAST, minSatisfied: 2}}\n",
        "bounds",
        6,
    ),
    "system label": (OK + "labels:\n  system.x: y\n", "system-label", 6),
    "label list in a label": (OK + "labels:\n  a: [b]\n", "wrong-type", 6),
    "null label": (OK + "labels:\n  a: null\n", "wrong-type", 6),
    "empty label": (OK + "labels:\n  a: ''\n", "invalid-label", 6),
    "label that turns the text": (OK + 'labels:\n  a: "b\\u202Ec"\n', "invalid-label", 6),
    "no concurrency": (OK + "concurrency: {limit: 0}\n", "wrong-value", 5),
    "unknown concurrency behavior": (OK + "concurrency: {limit: 1, behavior: WAIT}\n", "wrong-value", 5),
    "sla without behavior": (OK + "sla:\n  - {id: s, type: MAX_DURATION, duration: PT1S}\n", "required", 6),
    "sla without duration": (OK + "sla:\n  - {id: s, type: MAX_DURATION, behavior: FAIL}\n", "required", 6),
    "check without message": (OK + "checks:\n  - {when: 'true'}\n", "required", 6),
    "defaults without values": (OK + "pluginDefaults:\n  - {type: x}\n", "required", 6),
    "defaults with unknown property": (
        OK + f"pluginDefaults:\n  - type: {CORE}.log.Log\n    values:\n      mesage: x\n",
        "unknown-property",
        8,
    ),
    "defaults with null": (OK + "pluginDefaults:\n  - {type: x, values: {a: null}}\n", "empty-default", 6),
    "variables as list": (OK + "variables: [a]\n", "wrong-type", 5),
    "ten thousand tasks": (HEAD + "tasks:\n" + "".join(f"  - {log(f'a{i}')}\n" for i in range(10_000)), "too-many-nodes", 7145),
    "five mebibytes": (HEAD + "description: " + "x" * 5 * 1024 * 1024 + "\n" + TASKS, "document-too-large", 1),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_flow_is_refused_with_its_line(name: str, registry: Registry) -> None:
    text, code, line = BAD[name]

    result = parse_flow(text, registry)

    errors = [problem for problem in result.problems if problem.severity is Severity.ERROR]
    assert result.flow is None
    assert (code, line) in [(problem.code, problem.place.line if problem.place else 0) for problem in errors]


def test_all_faults_are_found_at_once_in_the_order_of_the_text(registry: Registry) -> None:
    text = f"id: a#b\nnamespace: X\ntasks:\n  - {{id: a, type: nope}}\n  - {log('b', ', level: LOUD')}\nlabels: {{system.a: b}}\n"

    problems = parse_flow(text, registry).problems

    assert [item.code for item in problems] == ["invalid-id", "invalid-id", "unknown-task-type", "wrong-value", "system-label"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            one(log("a", ", mesage: x")),
            ['Unrecognized field "mesage"', 'task "a"', "log.Log", 'Did you mean "message"?', "level"],
        ),
        (one("{id: a, type: io.kestra.plugin.core.log.Lag}"), ["Invalid type: io.kestra.plugin.core.log.Lag", "core.log.Log"]),
        (
            one(f"{{id: a, type: {CORE}.flow.Parallel, concurrent: x, tasks: [{log('b')}]}}"),
            ["an integer or an expression", '"x"'],
        ),
        (one(log("a", ", level: WARNING")), ["TRACE, DEBUG, INFO, WARN or ERROR", 'Did you mean "WARN"?']),
        (OK + "trigers: []\n", ['Unrecognized field "trigers"', 'Did you mean "triggers"?']),
    ],
)
def test_a_message_says_what_was_expected_and_what_to_do(text: str, parts: list[str], registry: Registry) -> None:
    message = " ".join(str(problem) for problem in parse_flow(text, registry).problems)

    assert [part for part in parts if part not in message] == []
