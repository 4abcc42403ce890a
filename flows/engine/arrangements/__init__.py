"""How each kind of flowable opens, goes on and ends. One object per arrangement; the rules themselves are in `decide`."""

from __future__ import annotations

from flows.engine.arrangements.base import Arrangement
from flows.engine.arrangements.callees import ItemStarts, Subflow
from flows.engine.arrangements.choices import If, Switch
from flows.engine.arrangements.iterations import Each
from flows.engine.arrangements.lists import Dag, ForEachItem, Parallel, Sequence, WorkingDirectory
from flows.engine.arrangements.loops import Loop
from flows.engine.arrangements.repetitions import LoopUntil
from flows.engine.arrangements.template import Template
from flows.engine.arrangements.waits import Approval, Pause, Sleep

ARRANGEMENTS: dict[str, Arrangement] = {
    "sequence": Sequence(),
    "allow-failure": Sequence(turns_failure_into_warning=True),
    "parallel": Parallel(),
    "dag": Dag(),
    "if": If(),
    "switch": Switch(),
    "each": Each(),
    "loop": Loop(),
    "loop-until": LoopUntil(),
    "subflow": Subflow(),
    "for-each-item": ForEachItem(),
    "start-items": ItemStarts(),
    "working-directory": WorkingDirectory(),
    "pause": Pause(),
    "approval": Approval(),
    "sleep": Sleep(),
    "template": Template(),
}
"""Arrangement name to the object that knows it. Source: flow language, 6.4."""
