"""Python packages that a task asks for, installed from a wheel that the test writes, without any network."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.plugin_api.testing import FakeContext
from plugins.scripts import tasks

Python = tasks.PythonScript  # type: ignore[attr-defined]


@pytest.fixture
def context(tmp_path: Path) -> Iterator[FakeContext]:
    with FakeContext(config={"scripts.cache-directory": str(tmp_path / "cache")}) as made:
        yield made


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "greeting-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("greeting.py", "WORD = 'hello'\n")
        file.writestr("greeting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        file.writestr(
            "greeting-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr("greeting-1.0.dist-info/RECORD", "greeting.py,,\ngreeting-1.0.dist-info/METADATA,,\n")
    return path


def raw(wheel: Path, **more: Any) -> dict[str, Any]:
    return {
        "script": "import greeting, pydantic\nprint(greeting.WORD)",
        "dependencies": [str(wheel)],
        "packageManager": "PIP",
        **more,
    }


def test_packages_are_installed_once_and_found_again(context: FakeContext, wheel: Path, tmp_path: Path) -> None:
    context.run(Python(), raw(wheel))
    wheel.unlink()
    context.run(Python(), raw(wheel))

    assert context.log.messages("INFO") == ["hello", "hello"]
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 1


def test_without_cache_nothing_stays(context: FakeContext, wheel: Path, tmp_path: Path) -> None:
    context.run(Python(), raw(wheel, dependencyCacheEnabled=False))

    assert context.log.messages("INFO") == ["hello"]
    assert not (tmp_path / "cache").exists()
    assert list(context.workdir.iterdir()) == []
