"""A report for the public: what may name a person is left out, the technique and its result stay.

California's SB 942 (Bus. & Prof. Code §22757.2) wants a verification tool that shows system provenance and no personal
provenance. A signer is named only if the official trust list vouches for it: those are organisations. Names of files,
titles, descriptions and the pictures that a manifest holds of its inputs are not shown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from thsafe.core.types import Evidence, Report
from thsafe.report.view import Tree, View, view_of
from thsafe.verdict import conclude

if TYPE_CHECKING:
    from thsafe.examination import Examination
    from thsafe.provenance.read import Credentials, IngredientNode

_ORGANISATIONS = frozenset({"INTACT-TRUSTED", "INTACT-LEGACY-LIST"})
_SYSTEM = frozenset(
    {
        "manifest", "signed_at", "time_stamped", "actions", "digital_source_types", "watermark_id", "history_broken",
        "failures", "made_by", "state", "mark_id", "picture_mark_id", "key", "confidence", "false_alarm", "frames_read",
        "geometry", "segments", "reason", "differs", "published", "log_entry", "index", "manifest_id", "engine",
        "fingerprint", "possible_matches", "container", "video codec", "audio codec", "bytes", "score", "scores",
        "faces", "frames", "sha256", "heat_map", "present", "integrity", "signature", "hard_binding", "stopped",
    }
)  # fmt: skip
"""Facts about systems and signals; any other fact, also one that a later check adds, is not shown."""


def without_persons(report: Report, examination: Examination) -> View:
    """The view of a report without anything personal; its verdict is the same."""
    evidence = tuple(_impersonal(item) for item in report.evidence)
    verdict, sentence = conclude(evidence)
    shown = replace(report, file="", verdict=verdict, sentence=sentence, evidence=evidence)
    full = view_of(shown, examination)
    return replace(full, trees=_trees(examination))


def _impersonal(item: Evidence) -> Evidence:
    detail = {name: value for name, value in item.detail.items() if name in _SYSTEM}
    if item.code in _ORGANISATIONS:
        detail |= {name: item.detail[name] for name in ("signer", "issuer") if name in item.detail}
    signer = item.detail.get("signer")
    summary = item.summary
    for name in (signer, item.detail.get("issuer")):
        if isinstance(name, str) and name and item.code not in _ORGANISATIONS:
            summary = summary.replace(name, "a signer on no list")
    return replace(item, summary=summary, detail=detail)


def _trees(examination: Examination) -> tuple[Tree, ...]:
    """The manifests as systems see them: no title, no signer off the lists, no description."""
    from thsafe.provenance.tree import tree_lines

    trees = []
    if examination.credentials is not None:
        lines = tree_lines(_nameless(examination.credentials))
        trees.append(Tree(kind="manifest", text="\n".join(lines)))
    if examination.recovered is not None:
        lines = tree_lines(_nameless(examination.recovered), examination.recovery)
        trees.append(Tree(kind="recovered", text="\n".join(lines)))
    return tuple(trees)


def _nameless(found: Credentials) -> Credentials:
    known = found.state.value in _ORGANISATIONS
    names = [] if found.signer is None or known else [found.signer.name, found.signer.issuer]
    return replace(
        found,
        title="",
        signer=found.signer if known else None,
        reasons=tuple(_replaced(reason, names) for reason in found.reasons),
        actions=tuple(replace(action, description="") for action in found.actions),
        ingredients=tuple(_untitled(node) for node in found.ingredients),
        thumbnails=(),
    )


def _untitled(node: IngredientNode) -> IngredientNode:
    return replace(node, title="", signer="", children=tuple(_untitled(child) for child in node.children))


def _replaced(text: str, names: list[str]) -> str:
    for name in filter(None, names):
        text = text.replace(name, "a signer on no list")
    return text
