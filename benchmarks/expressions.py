"""
Times of the expression language: parse and build, first use, later renders; Jinja2 beside it for comparison.

Run from the root of the repository: `python -m benchmarks.expressions`. Best of five, in microseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from jinja2.sandbox import SandboxedEnvironment

from flows.expressions import render
from flows.expressions.statements import parse_template
from flows.expressions.template import Template

TEMPLATES = {
    "one variable": ("{{ inputs.user }}", "{{ inputs.user }}"),
    "path, date, ??": (
        "{{ outputs.load.at | date('yyyy-MM-dd') }} {{ trigger.date ?? execution.startDate }}",
        "{{ outputs.load.at[:10] }} {{ trigger.date | default(execution.startDate) }}",
    ),
    "two ?? chains, ternary": (
        "{{ a ?? b ?? 'x' }} {{ inputs.zz ?? d ?? 'y' }} {{ n > 3 ? 'big' : 'small' }}",
        "{{ a | default(b | default('x')) }} {{ inputs.zz | default(d | default('y')) }} {{ 'big' if n > 3 else 'small' }}",
    ),
    "loop over 100 rows": (
        "{% for row in rows %}{{ row.id }}: {{ row.name }}\n{% endfor %}",
        "{% for row in rows %}{{ row.id }}: {{ row.name }}\n{% endfor %}",
    ),
}
VARIABLES: dict[str, Any] = {
    "inputs": {"user": "ann"},
    "outputs": {"load": {"at": "2024-03-05T14:07:09.123456Z"}},
    "execution": {"startDate": "2024-01-01T00:00:00Z"},
    "trigger": {},
    "n": 5,
    "rows": [{"id": number, "name": f"row {number}"} for number in range(100)],
}


def best_of_five(run: Callable[[], Any], repeats: int) -> float:
    """Return the shortest mean time of one run, in microseconds."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(repeats):
            run()
        best = min(best, (time.perf_counter() - started) / repeats)
    return best * 1e6


def measure(ours: str, theirs: str) -> dict[str, float]:
    """Return the times of one template by stage."""
    template = Template(ours)
    jinja = SandboxedEnvironment(trim_blocks=False, keep_trailing_newline=True)
    jinja_template = jinja.from_string(theirs)
    assert template.render(VARIABLES)
    return {
        "parse": best_of_five(lambda: parse_template(ours), 200),
        "parse and build": best_of_five(lambda: Template(ours), 200),
        "render, compiled": best_of_five(lambda: template.render(VARIABLES), 500),
        "render(), from the cache": best_of_five(lambda: render(ours, VARIABLES), 500),
        "Jinja2: compile": best_of_five(lambda: jinja.compile(theirs), 20),
        "Jinja2: render": best_of_five(lambda: jinja_template.render(VARIABLES), 500),
    }


def main() -> None:
    """Print one table: a row for each stage, a column for each template."""
    columns = {name: measure(*texts) for name, texts in TEMPLATES.items()}
    print("| stage | " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * len(columns))
    for stage in next(iter(columns.values())):
        print(f"| {stage} | " + " | ".join(f"{times[stage]:.1f}" for times in columns.values()) + " |")


if __name__ == "__main__":
    main()
