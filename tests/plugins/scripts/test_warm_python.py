"""A Python script that runs in a fork of a warm interpreter gives what a fresh interpreter gives."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flows.plugin_api.fields import load_properties
from flows.plugin_api.tasks import TaskFailure
from flows.plugin_api.testing import FakeContext
from plugins.scripts import tasks

Python = tasks.PythonScript  # type: ignore[attr-defined]

SCRIPTS = {
    "exit code and text": "import sys\nprint('a')\nsys.exit('bad end')",
    "exit number": "raise SystemExit(7)",
    "traceback": "def f():\n    return 1 / 0\nf()",
    "chained error": "try:\n    {}['x']\nexcept KeyError as e:\n    raise ValueError('v') from e",
    "syntax error": "print('never'\n",
    "main module": "import sys, __main__\nprint(__name__, sys.modules['__main__'] is __main__, __doc__)",
    "names": "print(sorted(n for n in dir()), __spec__, __package__)",
    "arguments": "import sys\nprint(len(sys.argv), sys.argv[0] == __file__, sys.flags)",
    "path": "import sys, os\nprint(sys.path[0] == os.getcwd(), len(sys.path), sys.executable, sys.prefix)",
    "streams": "import sys\nfor s in sys.stdout, sys.stderr:\n    print(s.encoding, s.line_buffering, s.write_through, s.errors)",
    "input": "import sys\nprint(repr(sys.stdin.read()))",
    "open file": "f = open('left.txt', 'w')\nf.write('kept')",
    "at exit": "import atexit\natexit.register(print, 'bye')\nprint('hi')",
    "thread": "import threading as t\ne = t.Event()\nt.Thread(target=lambda: e.wait() and print('b')).start()\ne.set()",
    "pool": "import multiprocessing as m\nif __name__ == '__main__':\n    with m.Pool(1) as p:\n        print(p.map(abs, [-1]))",
    "child": "import subprocess, sys\nprint(subprocess.check_output([sys.executable, '-c', 'print(6)'], text=True))",
    "shadow": "import json, ipaddress\nprint(json.MINE)",
    "signals": "import signal\nprint(signal.getsignal(2), signal.getsignal(15), signal.getsignal(13))",
    "abrupt": "import os\nprint('x')\nos._exit(9)",
    "zone": "import time\nprint(time.tzname)",
    "descriptors": "import os\nprint(os.getsid(0) == os.getpgid(0), len(os.listdir('/proc/self/fd')))",
}


def run(script: str, *, warm: bool) -> tuple[int, list[tuple[str, str]], str]:
    with FakeContext(config={"scripts.warm-python": warm}) as context:
        task = Python()
        raw: dict[str, Any] = {"script": script, "outputFiles": ["left.txt"], "env": {"TZ": "Asia/Tokyo"}}
        if "MINE" in script:
            raw["inputFiles"] = {"json.py": "MINE = 1"}
        try:
            output = task.run(context, load_properties(task.Props, raw, context.render))
        except TaskFailure as failure:
            output = failure.outputs
        lines = [(line.level, re.sub(r"/\S*(script-)\w+", r"\1", line.message)) for line in context.log.lines]
        left = ""
        for uri in output.output_files.values():
            with context.storage.open(uri) as file:
                left += file.read().decode()
        return output.exit_code, sorted(lines), left


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_warm_script_gives_what_a_fresh_one_gives(name: str) -> None:
    assert run(SCRIPTS[name], warm=True) == run(SCRIPTS[name], warm=False)


def test_a_signal_that_ends_a_warm_script_is_named() -> None:
    script = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)"

    with FakeContext() as context, pytest.raises(TaskFailure, match="SIGTERM"):
        context.run(Python(), {"script": script})
