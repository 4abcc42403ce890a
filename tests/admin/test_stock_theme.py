"""The same pages with the framework's own look: the theme can be taken away at one place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.admin.theme import IS_STOCK

HERE = Path(__file__).resolve().parent


@pytest.mark.skipif(IS_STOCK, reason="this is the run with the stock admin")
@pytest.mark.timeout(600)
def test_all_pages_work_with_the_stock_admin_too() -> None:
    environment = {**os.environ, "CELESTRA_ADMIN_THEME": "stock"}
    environment.pop("CELESTRA_HOME", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE)]

    answer = subprocess.run(command, cwd=HERE.parents[1], env=environment, capture_output=True, text=True, check=False)

    assert answer.returncode == 0, answer.stdout[-6000:]
