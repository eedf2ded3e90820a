"""What is asked about every file of a batch, and the digests under which an answer is kept.

An answer holds for one content, one set of checks (with the versions of the program and the trust lists behind them)
and one set of models: ``key_of``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from thsafe.core.canonical import canonical_digest
from thsafe.core.types import Json
from thsafe.remote import RemoteRules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thsafe.home import Home

Checks = Literal["provenance", "marks", "detectors"]
CHECKS: tuple[Checks, ...] = ("provenance", "marks", "detectors")
"""``provenance``: credentials, log and container, nothing decoded; ``marks``: all that ``thsafe verify`` does without
networks; ``detectors``: every installed forensic detector too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifySettings:
    """One way of verifying."""

    checks: Checks = "provenance"
    at: str | None = None
    """Judge certificates as of this moment, RFC 3339."""
    rules: RemoteRules = field(default_factory=RemoteRules)
    seconds: float = 300
    """What one item may take before its worker is killed."""
    megabytes: int = 4096
    """Address space of a worker that runs no networks."""

    def as_json(self) -> dict[str, Json]:
        """For the batch's row and for workers elsewhere."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> VerifySettings:
        """The settings that ``as_json`` gave."""
        rules: dict[str, Any] = {
            name: tuple(item) if isinstance(item, list) else item for name, item in value["rules"].items()
        }
        return cls(**{**value, "rules": RemoteRules(**rules)})


def checks_digest(settings: VerifySettings, home: Home) -> str:
    """Of the checks, the programs that make them, and the lists that they go by."""
    from thsafe.provenance.trust import Trust
    from thsafe.verification import check_names, tool_versions

    lists = [[item.name, str(item.kind), sha256(item.pem).hexdigest()] for item in Trust.of_home(home).lists]
    return canonical_digest(
        {
            "checks": settings.checks,
            "names": list(check_names()),
            "at": settings.at,
            "tool": tool_versions(),
            "trust": lists,
        }
    )


def models_digest(settings: VerifySettings, home: Home) -> str:
    """Of the weights of every detector that looks; of nothing where none does."""
    if settings.checks != "detectors":
        return canonical_digest([])
    from thsafe.forensics import weights_of_checks

    return canonical_digest(weights_of_checks(home))


def key_of(content: str, checks: str, models: str) -> str:
    """Under which the answer is kept."""
    return canonical_digest({"content": content, "checks": checks, "models": models})
