"""A step of the checks and its result: plain data."""

from __future__ import annotations

import enum
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Tuple


class Format(enum.Enum):
    """The format of the report in which a step counts its tests."""

    JUNIT = "junit"
    TERRAFORM = "terraform"


@dataclass(frozen=True)
class Step:
    name: str
    command: List[str]
    # Steps that must have passed before this one starts.
    needs: Tuple[str, ...] = ()
    environment: Dict[str, str] = field(default_factory=dict)
    # The report of the step's tests. A step without a report is a gate and counts as one.
    report: Optional[Path] = None
    format: Format = Format.JUNIT
    # A step that only prepares others. It counts only if it fails.
    is_preparation: bool = False
    # The step is on the longest way through the checks, so it goes before the others.
    is_urgent: bool = False
    # The step only computes, and no test of it has a time limit. So it goes after the others.
    is_patient: bool = False
    # The step runs after all others, whatever their result, if this step was started.
    ends: Optional[str] = None

    def shell_line(self) -> str:
        """The line that repeats this step in a shell, in the root of the project."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in sorted(self.environment.items())]
        return " ".join([*variables, *(shlex.quote(word) for word in self.command)])


@dataclass(frozen=True)
class Result:
    step: Step
    # None for a step that did not run, because a step that it needs failed.
    code: Optional[int]
    began: float = 0.0
    seconds: float = 0.0
    # Seconds of all processors together, in the step's own processes and those that they waited for.
    cpu_seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return self.code == 0
