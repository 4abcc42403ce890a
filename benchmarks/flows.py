"""The flows that the benchmarks run."""

from __future__ import annotations

FOREACH_SIZES = (160, 1_000, 10_000)
SCRIPT_COUNT = 40

_PAIR = """
id: {id}
namespace: bench
tasks:
  - id: greet
    type: io.kestra.plugin.core.log.Log
    message: "An order of {{{{ trigger.body.customer }}}}"
  - id: result
    type: io.kestra.plugin.core.debug.Return
    format: "{{{{ trigger.body.customer }}}}"
triggers:
  - id: call
    type: io.kestra.plugin.core.trigger.Webhook
    key: bench-key-of-the-flow
    wait: {waits}
"""

_FOREACH = """
id: foreach_{size}
namespace: bench
tasks:
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: "{{{{ range(1, {size}) }}}}"
    concurrencyLimit: 0
    tasks:
      - id: work
        type: io.kestra.plugin.core.debug.Return
        format: "{{{{ taskrun.value }}}}"
"""

_SCRIPT = """
  - id: script_{number}
    type: io.kestra.plugin.scripts.python.Script
    script: |
      def fibonacci(n):
          return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
      print(fibonacci(10))
"""


def list_flows() -> list[str]:
    """Return the texts of all flows."""
    pairs = [_PAIR.format(id="light_pair", waits="false"), _PAIR.format(id="light_pair_waited", waits="true")]
    loops = [_FOREACH.format(size=size) for size in FOREACH_SIZES]
    scripts = "id: scripts\nnamespace: bench\ntasks:" + "".join(_SCRIPT.format(number=number) for number in range(SCRIPT_COUNT))
    return [*pairs, *loops, scripts]
