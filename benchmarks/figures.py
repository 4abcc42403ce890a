"""Figures, the machine they were measured on, and how both are printed."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """
    One measured figure: the median of `runs`.

    Attributes:
        name: what was measured.
        unit: unit of every value and of the targets.
        runs: one value for each run, not empty.
        target, final_target: what we want now, and what the design wants in the end; None where there is none.
        more_is_better: whether a value below the target misses it, or one above.
        note: what a reader must know to understand the value.
    """

    name: str
    unit: str
    runs: Sequence[float]
    target: float | None = None
    final_target: float | None = None
    more_is_better: bool = False
    note: str = ""

    @property
    def median(self) -> float:
        """The middle of the runs."""
        return statistics.median(self.runs)

    def meets(self, target: float | None) -> bool:
        """Tell whether the median is as good as `target`; true without one."""
        if target is None:
            return True
        return self.median >= target if self.more_is_better else self.median <= target


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values lie. `values` must not be empty."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def count_cores() -> int:
    """Return how many cores we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def report_figure(name: str, unit: str, value: float, target: float, *, note: str = "") -> Figure:
    """Return a figure of one run, and print it at once, for whoever waits for the others."""
    figure = Figure(name=name, unit=unit, runs=[value], target=target, note=note)
    print(f"{'ok  ' if figure.meets(target) else 'MISS'} {name:48} {value:10,.1f} {unit:7} <= {target:g}  {note}", flush=True)
    return figure


def describe_machine(versions: dict[str, str]) -> str:
    """Return one line about the machine; `versions` names the programs that took part."""
    memory = psutil.virtual_memory().total / 2**30
    programs = ", ".join(f"{name} {version}" for name, version in {"Python": platform.python_version(), **versions}.items())
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    system = f"{platform.system()} {platform.release()}"
    return f"{moment}; {_read_processor()}, {count_cores()} cores, {memory:.0f} GiB, {system}; {programs}"


def _read_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def read_machine_clock() -> tuple[float, float]:
    """Return (monotonic moment, CPU seconds in which the machine was busy since it started)."""
    times = psutil.cpu_times()
    return time.monotonic(), sum(times) - times.idle - getattr(times, "iowait", 0.0)


def print_table(figures: Sequence[Figure]) -> None:
    """Print the figures as a Markdown table."""
    print("| figure | median | runs | target | final target |")
    print("| --- | ---: | --- | ---: | ---: |")
    for figure in figures:
        runs = " ".join(f"{value:.4g}" for value in figure.runs)
        name = f"{figure.name} ({figure.note})" if figure.note else figure.name
        print(
            f"| {name} | {figure.median:.4g} {figure.unit} | {runs} | {_judge(figure, figure.target)} | "
            f"{_judge(figure, figure.final_target)} |"
        )


def _judge(figure: Figure, target: float | None) -> str:
    if target is None:
        return ""
    return f"{'>=' if figure.more_is_better else '<='} {target:g} {'met' if figure.meets(target) else 'MISSED'}"
