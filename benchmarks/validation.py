"""How much CPU time it takes to read and check a flow: 500 tasks, and documents that want to hurt."""

from __future__ import annotations

import os
import statistics
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from flows.language.parse import parse_flow  # noqa: E402 - after the set-up
from flows.plugin_api.registry import get_registry  # noqa: E402 - after the set-up

_RUNS = 5
_TARGET_MS = 150.0
_HOSTILE_TARGET_MS = 1000.0


def make_long_flow(count: int) -> str:
    """Return a flow of `count` tasks, every one with two expressions."""
    task = (
        "  - id: task_{n}\n    type: io.kestra.plugin.core.log.Log\n"
        "    message: \"step {n} of {{{{ flow.id }}}} at {{{{ execution.startDate | date('yyyy') }}}}\"\n"
        "    retry: {{type: constant, interval: PT10S, maxAttempts: 3}}\n"
    )
    return "id: long\nnamespace: bench\ntasks:\n" + "".join(task.format(n=number) for number in range(count))


def make_hostile_documents() -> dict[str, str]:
    """Return documents that a naive reader would choke on, by name."""
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 9))
    return {
        "aliases, nine levels": f"id: bomb\nnamespace: bench\nl0: &l0 [x]\n{levels}\ntasks: []\n",
        "20,000 brackets": "id: deep\nnamespace: bench\nvariables: " + "[" * 20_000,
        "a text of 5 MiB": "id: large\nnamespace: bench\ndescription: " + "x" * 5 * 1024 * 1024,
        "200,000 keys": "id: wide\nnamespace: bench\nvariables:\n" + "".join(f"  k{n}: 1\n" for n in range(200_000)),
    }


def measure(text: str) -> tuple[float, int, str]:
    """Return the milliseconds of CPU time of one reading, the number of problems, and the first problem."""
    started = time.process_time()
    result = parse_flow(text, get_registry())
    elapsed = (time.process_time() - started) * 1000
    return elapsed, len(result.problems), str(result.problems[0]) if result.problems else ""


def main() -> None:
    """Print the figures with their targets."""
    long_flow = make_long_flow(500)
    measure(long_flow)
    times = [measure(long_flow)[0] for _ in range(_RUNS)]
    print(f"500 tasks: median {statistics.median(times):.0f} ms of {_RUNS} runs (target {_TARGET_MS:.0f} ms)")
    for name, text in make_hostile_documents().items():
        elapsed, count, first = measure(text)
        print(f"{name}: {elapsed:.0f} ms (target {_HOSTILE_TARGET_MS:.0f} ms), {count} problem(s): {first[:140]}")


if __name__ == "__main__":
    main()
