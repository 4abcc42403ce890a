"""Run conformance cases on a system of their own: a temporary home, a free port, all stopped at the end."""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.system_process import SystemProcess
from tests.support.systems import make_home_folder

# What the corpus, in the note of its case on secrets, asks a server to know.
SECRETS = {"SECRET_MY_SECRET": '{"secretKey":"secretValue"}', "SECRET_NEW_LINE": "passwordveryveryveyrlong" * 5}

DECIDE_PATH = "/executions/{executionId}/actions/review/{taskRunId}"
"""Where our API takes the decision of an approval."""


def main() -> int:
    """Start, run the runner that lies beside the case file with the remaining arguments, stop; return the runner's status."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Every other argument goes to the runner.")
    parser.add_argument("--cases", type=Path, required=True, help="case file; the runner run_cases.py lies beside it")
    parser.add_argument("--flows-dir", type=Path, help="where the runner looks for flow files")
    given, rest = parser.parse_known_args()
    runner = given.cases.resolve().with_name("run_cases.py")
    if not runner.is_file():
        parser.error(f"there is no runner {runner}")

    folder = make_home_folder()
    system = SystemProcess(folder / "home", **encode_secrets())
    try:
        system.start().wait_ready()
        command = [sys.executable, str(runner), "--base-url", system.base_url, "--user", system.user, "--cases", str(given.cases)]
        command += ["--enable", "secrets", "--enable", "decide", "--decide-path", DECIDE_PATH]
        if given.flows_dir:
            command += ["--flows-dir", str(given.flows_dir)]
        environment = {**os.environ, "CONFORMANCE_PASSWORD": system.password}
        status = subprocess.run([*command, *rest], env=environment, check=False).returncode
    finally:
        system.stop()
    if status:
        kept = Path("conformance.log").absolute()
        kept.write_text(system.output)
        print(f"The system's log: {kept}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    return status


def encode_secrets() -> dict[str, str]:
    """Return the secrets as the server reads them from its environment: base64, in lines as many tools write it."""
    return {name: base64.encodebytes(value.encode()).decode() for name, value in SECRETS.items()}


if __name__ == "__main__":
    sys.exit(main())
