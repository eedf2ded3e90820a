"""The policy bundle: schema, rules and policies as one digest; a changed, missing or unsound part refuses to load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from policies.rules import Rule, parse_rules
from thsafe.core.errors import PolicyRefused

if TYPE_CHECKING:
    from policies.lint import Finding

PACKAGE_FOLDER: Final = Path(__file__).resolve().parent
ENGINE: Final = "cedarpy"
ENGINE_RANGE: Final = ((4, 12), (5, 0))
"""Versions of cedarpy whose behaviour the mutation tests have covered: from, below."""

PERMIT_FILE: Final = "00-permit.cedar"
LARGEST_ADDED: Final = 4 << 20
"""Bytes of added policies: some fifteen thousand rules, far beyond what a decision should wait for."""
ADDED: Final = "added/"
"""Stands before the names of files that a customer added."""

BASELINE: Final = frozenset(
    {
        "clock.rollback",
        "consent.assurance",
        "consent.assurance-level",
        "consent.channels",
        "consent.collector-signature",
        "consent.description",
        "consent.estate",
        "consent.evidence",
        "consent.holder-proof",
        "consent.languages",
        "consent.licensee",
        "consent.minor",
        "consent.missing",
        "consent.modes",
        "consent.performer",
        "consent.purpose",
        "consent.revoked",
        "consent.subject-match",
        "consent.subject-signature",
        "consent.suspended",
        "consent.synthetic-proof",
        "consent.term",
        "consent.territories",
        "consent.uses",
        "consent.voice",
        "consent.window",
        "media.job-digest",
        "status.signature",
        "status.stale",
        "status.unavailable",
        "use.celebrity",
        "use.election",
        "use.fraud",
        "use.political",
        "use.purpose",
        "use.sexual",
        "use.territory",
    }
)
"""Forbids without which no bundle loads: a deleted rule is noticed, whatever else a customer adds."""

BASELINE_DIGESTS: Final = "baseline.json"
"""SHA-256 of each baseline policy's parsed form, and of each row of the law table that puts something on the output:
an edited rule is noticed too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a policy says about itself: its annotations and where it stands."""

    id: str
    file: str
    effect: str
    rule: str
    words: str
    next_step: str
    digest: str
    """SHA-256 over effect, scope and conditions as Cedar parsed them: layout and annotations do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyBundle:
    """A loaded bundle; only ``load`` makes one that ``decide`` may trust."""

    folder: Path
    digest: str
    """SHA-256 over the names and digests of all files."""
    version: str
    """The engine's version."""
    notes: Mapping[str, Note]
    """By ``@id``."""
    rules: tuple[Rule, ...]
    policies: Any
    """``cedarpy.PolicySet``."""
    schema: Any
    """``cedarpy.Schema``."""

    @classmethod
    def load(
        cls, folder: Path | None = None, *, added: Path | None = None, approvers: Collection[str] = ()
    ) -> PolicyBundle:
        """Read, check and parse a bundle.

        Args:
            folder: the bundle; the package's own files if None.
            added: a folder with more ``*.cedar`` files, which may only forbid: they make the bundle stricter.
            approvers: DIDs that must all have signed the added files' ``bundle.json``.

        Raises:
            PolicyRefused: ``policy.unreadable``, ``policy.engine``, ``policy.schema``, ``policy.id``,
                ``policy.permit``, ``policy.rule``, ``policy.baseline`` or ``policy.approval``.
        """
        from policies.approval import check
        from policies.lint import lint

        place = folder or PACKAGE_FOLDER
        files = read_files(place)
        check(place, files)
        if added is not None:
            more = read_added(added)
            check(added, more, approvers)
            files |= {f"{ADDED}{name}": text for name, text in more.items()}
        return cls._parsed(place, files, lint(files))

    @classmethod
    def load_earlier(cls, folder: Path) -> PolicyBundle:
        """Read a bundle of another time, to ask logged decisions again: today's baseline is not asked of it.

        The gate never decides by one. A subfolder ``added`` holds what the owner had added, as in an evidence pack.

        Raises:
            PolicyRefused: ``policy.unreadable``, ``policy.schema`` or another fault that keeps it from being asked.
        """
        from policies.lint import lint

        files = read_files(folder)
        files |= {f"{ADDED}{name}": text for name, text in read_added(folder / ADDED).items()}
        return cls._parsed(folder, files, [item for item in lint(files) if item.code != "policy.baseline"])

    @classmethod
    def _parsed(cls, place: Path, files: Mapping[str, str], findings: Sequence[Finding]) -> PolicyBundle:
        version = engine_version()
        if findings:
            raise PolicyRefused(
                "The policy bundle is unsound and was not loaded.",
                code=findings[0].code,
                found="\n".join(finding.text for finding in findings),
                rule="policies/ must validate against its schema and hold every baseline forbid",
                next_step="thsafe policy lint   (to see all findings), or install thsafe again",
            )
        import cedarpy

        return cls(
            folder=place,
            digest=digest_of(files),
            version=version,
            notes={note.id: note for note in notes_of(files)},
            rules=parse_rules(files["rules.yaml"]),
            policies=cedarpy.PolicySet.from_str(joined(files)),
            schema=cedarpy.Schema.from_str(files["schema.cedarschema"]),
        )


def read_files(folder: Path) -> dict[str, str]:
    """The texts of a bundle by file name, sorted.

    Raises:
        PolicyRefused: ``policy.unreadable`` when the folder lacks a part.
    """
    try:
        files = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.cedar"))}
        for name in ("schema.cedarschema", "rules.yaml"):
            files[name] = (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise PolicyRefused(
            f"The policy bundle in {folder} cannot be read.",
            code="policy.unreadable",
            found=str(problem),
            rule="a bundle holds schema.cedarschema, rules.yaml and *.cedar",
            next_step="name a folder with a whole bundle, or install thsafe again",
        ) from problem
    return dict(sorted(files.items()))


def read_added(folder: Path) -> dict[str, str]:
    """The texts of policies that a customer adds, by file name, sorted.

    Raises:
        PolicyRefused: ``policy.unreadable``.
    """
    try:
        return _texts_within(sorted(folder.glob("*.cedar")), LARGEST_ADDED)
    except (OSError, UnicodeDecodeError) as problem:
        raise PolicyRefused(
            f"The added policies in {folder} cannot be read.",
            code="policy.unreadable",
            found=str(problem),
            rule="added policies are *.cedar files of this user's",
            next_step="mend the file or its permissions, then: thsafe policy lint",
        ) from problem


def _texts_within(paths: Sequence[Path], limit: int) -> dict[str, str]:
    size = sum(path.stat().st_size for path in paths)
    if size > limit:
        raise OSError(f"{size} bytes of policies; at most {limit} are read")
    return {path.name: path.read_text(encoding="utf-8") for path in paths}


def digest_of(files: Mapping[str, str]) -> str:
    """SHA-256 over ``name NUL sha256 LF`` of each file in order of name."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\0{hashlib.sha256(files[name].encode()).hexdigest()}\n".encode())
    return whole.hexdigest()


def joined(files: Mapping[str, str]) -> str:
    """All policies as one text, in order of file name."""
    return "\n".join(text for name, text in sorted(files.items()) if name.endswith(".cedar"))


def notes_of(files: Mapping[str, str]) -> list[Note]:
    """The annotations of every policy, file by file; raises ValueError where Cedar cannot parse a file."""
    return [note for name, text in sorted(files.items()) if name.endswith(".cedar") for note in _notes_in(name, text)]


@lru_cache(maxsize=16)
def _notes_in(name: str, text: str) -> tuple[Note, ...]:
    import cedarpy

    notes = []
    parsed = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    # Cedar numbers them as they stand: policy0, policy1, …, policy10.
    for policy in (parsed[number] for number in sorted(parsed, key=lambda key: (len(key), key))):
        said = policy.pop("annotations", {})
        notes.append(
            Note(
                id=said.get("id") or "",
                file=name,
                effect=policy["effect"],
                rule=said.get("rule") or "",
                words=said.get("words") or "",
                next_step=said.get("next") or "",
                digest=hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest(),
            )
        )
    return tuple(notes)


def engine_version() -> str:
    """The installed cedarpy.

    Raises:
        PolicyRefused: ``policy.engine`` when it is outside the tested range.
    """
    from importlib.metadata import version

    found = version(ENGINE)
    low, high = ENGINE_RANGE
    number = tuple(int(part) for part in found.split(".")[:2])
    if not low <= number < high:
        raise PolicyRefused(
            "The policy engine is not a version whose refusals are tested.",
            code="policy.engine",
            found=f"{ENGINE} {found}",
            rule=f"{ENGINE} >= {low[0]}.{low[1]}, < {high[0]}.{high[1]}",
            next_step=f'pip install "{ENGINE}>={low[0]}.{low[1]},<{high[0]}"',
        )
    return found
