"""A second reader beside ours: encypher-c2pa (extra ``crosscheck``), an implementation with code of its own.

It runs in a process of its own with a private home folder, no telemetry, no network and none of the roots it comes
with, so that it answers one question only: is the file as it was signed? It decides nothing; a disagreement is shown.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from thsafe.core.types import Evidence, Status

CHECK = "crosscheck"
_PACKAGE = "encypher_c2pa"
_SECONDS = 60
_SCRIPT = """
import json, sys
import encypher_c2pa
report = encypher_c2pa.verify(
    sys.argv[1], sys.argv[2] or None, telemetry=False, online=False, no_default_trust=True
)
print(json.dumps({name: report.get(name) for name in ("present", "integrity", "signature", "hard_binding")}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondReading:
    """What the other reader says; ``intact`` is None where it could not judge."""

    intact: bool | None
    detail: dict[str, str]


def is_installed() -> bool:
    """Whether the other reader is there."""
    return importlib.util.find_spec(_PACKAGE) is not None


def second_reading(path: Path, media_type: str) -> SecondReading:
    """Ask the other reader; whatever goes wrong there is an answer that judges nothing."""
    with tempfile.TemporaryDirectory(prefix="thsafe-crosscheck-") as home:
        # -I: neither the working folder nor PYTHONPATH is searched, so nothing beside the file can take its place.
        command = [sys.executable, "-I", "-c", _SCRIPT, str(path.absolute()), media_type]
        environment = {"HOME": home, "XDG_CONFIG_HOME": home, "PATH": "/usr/bin:/bin", "ENCYPHER_C2PA_ONLINE": "off"}
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=_SECONDS, env=environment, cwd=home
            )
            report = json.loads(result.stdout)
        except (subprocess.SubprocessError, OSError, ValueError) as problem:
            return SecondReading(intact=None, detail={"stopped": type(problem).__name__})
    detail = {name: str(value) for name, value in report.items()}
    if report.get("present") is not True or report.get("integrity") not in {"valid", "invalid"}:
        return SecondReading(intact=None, detail=detail)
    return SecondReading(intact=report["integrity"] == "valid", detail=detail)


def crosscheck_evidence(path: Path, media_type: str, *, ours: bool) -> Evidence:
    """The other reader's answer beside ours.

    Args:
        path: the file.
        media_type: what it was found to be.
        ours: whether our reader found it intact.
    """
    found = second_reading(path, media_type)
    if found.intact is None:
        return Evidence(
            check=CHECK,
            status=Status.NOT_EVALUATED,
            summary="The second reader (encypher-c2pa) could not judge the credentials.",
            code="NOT-EVALUATED",
            detail=found.detail,
        )
    words = "intact" if found.intact else "not intact"
    agree = found.intact is ours
    return Evidence(
        check=CHECK,
        status=Status.FOUND if agree else Status.CONFLICT,
        summary=f"The second reader (encypher-c2pa) {'agrees' if agree else 'disagrees'}: it finds them {words}.",
        code="AGREES" if agree else "DISAGREES",
        detail=found.detail,
    )
