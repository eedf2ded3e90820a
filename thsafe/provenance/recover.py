"""Credentials found again by watermark: do they belong to this file?

A watermark can be moved onto another video, so it only says where to look. The stored essence hash or fingerprint must
agree with the file in hand (C2PA 2.4 on durable credentials asks for watermark and fingerprint together); if neither
does, the credentials are another file's. Of a film the picture's fingerprint decides, of a sound file the sound's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from thsafe.core.types import Json
from thsafe.provenance.fingerprint import ALGORITHM as PICTURE
from thsafe.provenance.fingerprint import Match, distance
from thsafe.provenance.ladder import Ladder, is_change, is_hard_binding_mismatch
from thsafe.provenance.read import Credentials, soft_bindings_of, source_types_of
from thsafe.provenance.soundprint import ALGORITHM as SOUND
from thsafe.provenance.soundprint import is_same, sound_distance

_SYNTHETIC = frozenset(
    {
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
        "compositeSynthetic",
        "algorithmicMedia",
        "digitalCreation",
    }
)
"""IPTC digital source types of content that no camera or microphone took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """What ties credentials to content: as stored when signing, or as measured on the suspect file."""

    essence: str | None
    """Essence digest; None where it could not be taken."""
    fingerprint: str | None
    """Fingerprint text of the picture; None where it could not be taken."""
    soundprint: str | None = None
    """Fingerprint text of the sound; None where it could not be taken."""
    watermark_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What recovered credentials are worth for the file in hand."""

    state: Ladder
    reasons: tuple[str, ...]
    match: Match | None = None
    """How the pictures compare; None where the essence settled it or they could not be compared."""
    sound: Match | None = None
    """How the sounds compare; None likewise."""


def judge_recovery(stored: Bindings, suspect: Bindings, credentials: Credentials) -> Recovery:
    """Judge recovered credentials.

    Args:
        stored: the bindings kept with the manifest store.
        suspect: those measured on the file in hand, with the watermark id that was read from it.
        credentials: the stored manifest as ``read_credentials(suspect_file, manifest_bytes=…)`` sees it.

    Returns:
        ``RECOVERED-IDENTICAL``, ``RECOVERED-SIMILAR`` or ``RECOVERED-CONFLICT``; ``BROKEN`` if the stored manifest is
        itself damaged; ``NOT-EVALUATED`` if nothing could be compared. The credentials' own state if they fit the file
        as it is, hash and all: then they were only kept apart from it.
    """
    if credentials.state.intact:
        return Recovery(state=credentials.state, reasons=("the stored credentials fit the file exactly",))
    if credentials.active_label is None:
        return Recovery(state=credentials.state, reasons=credentials.reasons)
    damage = [code for code in credentials.codes.failure if is_change(code) and not is_hard_binding_mismatch(code)]
    if damage or "claimSignature.validated" not in credentials.codes.success:
        found = ", ".join(damage) or "no valid signature"
        return Recovery(state=Ladder.BROKEN, reasons=(f"the stored credentials are damaged: {found}",))
    # The manifest is signed, the store's own columns are not: what the manifest says of its marks goes first.
    if suspect.watermark_id is not None and suspect.watermark_id not in credentials.soft_bindings.values():
        words = "the manifest found does not name the watermark in the file"
        return Recovery(state=Ladder.RECOVERED_CONFLICT, reasons=(words,))

    if stored.essence is not None and stored.essence == suspect.essence:
        words = "the encoded picture and sound are those that were signed, bit for bit; only the container is another"
        return Recovery(state=Ladder.RECOVERED_IDENTICAL, reasons=(words,))
    return _compare(
        picture=_match(credentials.soft_bindings.get(PICTURE) or stored.fingerprint, suspect.fingerprint, distance),
        sound=_match(credentials.soft_bindings.get(SOUND) or stored.soundprint, suspect.soundprint, sound_distance),
    )


def _match(known: str | None, suspect: str | None, compare: Callable[[str, str], Match]) -> Match | None:
    """How two fingerprints compare; None where one is missing or holds nothing that could be compared."""
    if known is None or suspect is None:
        return None
    match = compare(known, suspect)
    return match if match.frames else None


def _compare(*, picture: Match | None, sound: Match | None) -> Recovery:
    """The picture decides where there is one; a sound file is decided by its sound."""
    if picture is None:
        return _by_sound(sound)
    measured = f"{picture.share:.0%} of {picture.frames} frames match, median distance {picture.median:.0f} of 256 bits"
    if not picture.same:
        reasons = ("the watermark is that of another video: it was moved here, or the picture was replaced", measured)
        return Recovery(state=Ladder.RECOVERED_CONFLICT, reasons=reasons, match=picture)
    looks = "changed since signing, but the pictures look alike as a whole; small edits are not ruled out"
    sounds = "the sound is not the one that was published: it was replaced, or changed beyond recognition"
    replaced = sound is not None and not is_same(sound)
    reasons = (*((sounds,) if replaced else ()), looks, measured)
    return Recovery(state=Ladder.RECOVERED_SIMILAR, reasons=reasons, match=picture, sound=sound)


def _by_sound(sound: Match | None) -> Recovery:
    if sound is None:
        words = (
            "a watermark alone does not tie credentials to a file, and there is no fingerprint to compare: "
            "none is kept, or the picture is too flat and the sound too short for one"
        )
        return Recovery(state=Ladder.NOT_EVALUATED, reasons=(words,))
    measured = f"{sound.share:.0%} of {sound.frames} stretches of 3 seconds match"
    if is_same(sound):
        words = "changed since signing, but the sound is the same recording as a whole; small edits are not ruled out"
        return Recovery(state=Ladder.RECOVERED_SIMILAR, reasons=(words, measured), sound=sound)
    words = "the watermark is that of another recording: it was moved here, or the sound was replaced"
    return Recovery(state=Ladder.RECOVERED_CONFLICT, reasons=(words, measured), sound=sound)


def names_watermark(credentials: Credentials, watermark_id: str) -> bool:
    """Whether any manifest in the file's store, ancestors included, names a watermark that was read from the picture.

    If none does although the credentials are intact, the file was signed anew over a marked picture and its history was
    dropped: the credentials and the watermark tell of two different origins.
    """
    manifests = credentials.raw.get("manifests") or {}
    return any(watermark_id in soft_bindings_of(manifest).values() for manifest in manifests.values())


def named_algorithms(credentials: Credentials) -> frozenset[str]:
    """The soft-binding algorithms that any manifest in the file's store names."""
    manifests = credentials.raw.get("manifests") or {}
    return frozenset(name for manifest in manifests.values() for name in soft_bindings_of(manifest))


def tells_of_synthesis(credentials: Credentials, watermark_id: str) -> bool:
    """Whether a manifest that names the watermark also says that the content was generated or drawn by software."""
    manifests = credentials.raw.get("manifests") or {}
    naming = (item for item in manifests.values() if watermark_id in soft_bindings_of(item).values())
    return any(_SYNTHETIC.intersection(source_types_of(manifest)) for manifest in naming)


def carries_claim(credentials: Credentials, stored: Credentials) -> bool:
    """Whether the file's store holds, as its own or as an ancestor's, the claim of the stored active manifest.

    A label can be copied into another manifest; a claim names the hash of every assertion, so an equal claim says the
    same, whoever signed it.
    """
    wanted = _claim(stored, stored.active_label)
    return wanted is not None and _claim(credentials, stored.active_label) == wanted


def _claim(credentials: Credentials, label: str | None) -> Json:
    for manifest in credentials.crjson.get("manifests") or []:
        if label is not None and manifest.get("label") == label:
            return manifest.get("claim.v2") or manifest.get("claim")
    return None
