"""What a polling trigger sees while it looks: the plugin contract's `RunContext` without an execution."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.conf import read_plugin_setting
from flows.engine.environment import FlowEnvironment
from flows.engine.recording import Recorder, RunLog, RunMetrics, Subject
from flows.engine.stores import RunKeyValues, RunNamespaceFiles, RunStorage
from flows.expressions import render
from flows.models.encryption import encrypt_text
from flows.plugin_api.context import Platform


class TriggerContext:
    """One poll of one trigger. Files that it stores belong to the execution that it may start, `execution_id`."""

    def __init__(
        self,
        *,
        namespace: str,
        flow_id: str,
        revision: int,
        trigger_id: str,
        trigger_type: str,
        execution_id: str,
        variables: Mapping[str, Any],
        recorder: Recorder,
        make_platform: Callable[[str, str], Platform],
        at: datetime,
        min_level: str | None = None,
    ) -> None:
        subject = Subject(namespace, flow_id, trigger_id=trigger_id)
        self.log = RunLog(recorder, subject, min_level=min_level)
        self.metrics = RunMetrics(Recorder(), subject)
        self.storage = RunStorage(namespace, flow_id, execution_id, trigger_id=trigger_id)
        self.kv = RunKeyValues(namespace, lambda: at)
        self.namespace_files = RunNamespaceFiles(namespace)
        self.platform = make_platform(namespace, flow_id)
        self.flow: Mapping[str, Any] = {"id": flow_id, "namespace": namespace, "revision": revision, "tenantId": "main"}
        self.execution: Mapping[str, Any] = {"id": execution_id, "startDate": at, "originalId": execution_id}
        self.taskrun: Mapping[str, Any] = {"id": execution_id, "startDate": at, "attemptsCount": 0}
        self.task: Mapping[str, Any] = {"id": trigger_id, "type": trigger_type}
        self.attempt = 0
        self.cancelled = threading.Event()
        self.deadline: float | None = None
        self._variables = {**variables, "flow": self.flow, "trigger": {"id": trigger_id, "type": trigger_type}}
        self._recorder = recorder
        self._environment = FlowEnvironment(namespace, at=at, recorder=recorder)
        self._workdir: Path | None = None

    @property
    def workdir(self) -> Path:
        """A private directory, made on first use."""
        if self._workdir is None:
            self._workdir = Path(tempfile.mkdtemp(prefix="celestra-"))
        return self._workdir

    def render(self, value: Any, variables: Mapping[str, Any] | None = None, *, typed: bool = False) -> Any:
        """Render a template, or every template inside a map or list."""
        return render(value, {**self._variables, **(variables or {})}, typed=typed, environment=self._environment)

    def secret(self, name: str) -> str:
        """Return a secret and hide it in the logs from now on."""
        return self._environment.secret(name)

    def mask(self, value: str) -> None:
        """Hide a value in everything this poll logs from now on."""
        self._recorder.masker.add(value)

    def encrypt(self, value: str) -> dict[str, str]:
        """Return the encrypted envelope of a text."""
        return encrypt_text(value)

    def config(self, key: str, default: Any = None) -> Any:
        """Return a server-level setting of the plugin family."""
        return read_plugin_setting(key, default)

    def update_execution(self, **_: Any) -> None:
        """A trigger has no execution to change."""
        raise RuntimeError("A trigger has no execution to change.")

    def close(self) -> None:
        """Remove the private directory."""
        if self._workdir is not None:
            shutil.rmtree(self._workdir, ignore_errors=True)
            self._workdir = None
