"""From evidence to one graded word and one sentence. Pure: no file, no clock."""

from __future__ import annotations

from collections.abc import Sequence

from thsafe.core.types import Evidence, Status, Verdict

_SYNTHETIC = (
    "trainedAlgorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "compositeSynthetic",
    "algorithmicMedia",
)


def conclude(evidence: Sequence[Evidence]) -> tuple[Verdict, str]:
    """The verdict that the findings support, strongest first, and the sentence that says why.

    Broken credentials outrank everything: they show that bytes changed after signing. Absence proves nothing.
    """
    by_check = {item.check: item for item in evidence}
    credentials, watermark = by_check.get("credentials"), by_check.get("watermark")
    recovery, log = by_check.get("recovery"), by_check.get("log")
    sound = by_check.get("sound-watermark")

    if credentials and credentials.code == "BROKEN":
        return Verdict.TAMPERED, _tampered(recovery)
    if credentials and credentials.code.startswith("INTACT"):
        if credentials.detail.get("history_broken"):
            return Verdict.TAMPERED, "The last signature holds, but an earlier step in this file's history is broken."
        if recovery and recovery.code == "MARK-CLASH":
            return Verdict.TAMPERED, f"The credentials are intact, but the content contradicts them. {recovery.summary}"
        if sound and sound.status is Status.CONFLICT:
            return Verdict.TAMPERED, f"The credentials are intact, but the content contradicts them. {sound.summary}"
        return Verdict.DISCLOSED, _disclosed(credentials)
    if recovery and recovery.code == "RECOVERED-CONFLICT":
        return (
            Verdict.TAMPERED,
            "The watermark belongs to a different video: it was moved here, or the picture was replaced.",
        )
    if sound and sound.status is Status.CONFLICT:
        return Verdict.TAMPERED, sound.summary
    if recovery and recovery.code.startswith("RECOVERED"):
        guide = "watermark" if watermark and watermark.code == "ID" else "encoded content"
        return Verdict.RECOVERED, f"The credentials were stripped; the {guide} led back to them. {recovery.summary}"
    if log and log.status is Status.FOUND:
        return Verdict.RECOVERED, f"No credentials in the file, but the log knows it: {log.summary}"
    original = by_check.get("originals")
    if original and original.status is Status.CONFLICT:
        return Verdict.TAMPERED, original.summary
    if original and original.status is Status.FOUND and not (watermark and watermark.status is Status.FOUND):
        return Verdict.NO_SIGNS_FOUND, f"{original.summary} Nothing else says where it comes from."
    possible = recovery is not None and recovery.code == "POSSIBLE-MATCH"
    if recovery and possible and watermark and watermark.status is Status.FOUND:
        return (
            Verdict.RECOVERED,
            f"A watermark of this installation is there but cannot be read in full. {recovery.summary}",
        )
    if recovery and possible:
        return Verdict.INCONCLUSIVE, f"No credentials and no readable watermark. {recovery.summary}"
    if watermark and watermark.status is Status.FOUND:
        return (
            Verdict.SIGNS_OF_SYNTHESIS,
            "The picture carries a watermark that only generated media get; its manifest is not stored here.",
        )
    if sound and sound.status is Status.FOUND:
        return (
            Verdict.SIGNS_OF_SYNTHESIS,
            "The sound carries a watermark that only generated media get; the picture shows none.",
        )
    public = by_check.get("public-mark")
    if public and public.status is Status.FOUND:
        # A published key: whoever wants a real recording doubted can write this mark into it.
        return Verdict.INCONCLUSIVE, f"No credentials and no readable watermark. {public.summary}"
    return (
        Verdict.INCONCLUSIVE,
        "No credentials and no readable watermark: where this file comes from is unknown.",
    )


def _disclosed(credentials: Evidence) -> str:
    sources = [str(source).rsplit("/", maxsplit=1)[-1] for source in credentials.detail.get("digital_source_types", [])]
    generated = any(source in _SYNTHETIC for source in sources) or "digitalCreation" in sources
    signer = str(credentials.detail.get("signer") or "an unnamed signer")
    trust = {
        "INTACT-TRUSTED": "a signer on the official trust list",
        "INTACT-LEGACY-LIST": "a signer on the interim trust list",
        "INTACT-DEVELOPMENT": "a development certificate of this installation",
    }.get(credentials.code, "a signer that no list here vouches for")
    what = "that it was generated or drawn by software" if generated else "where it comes from"
    return f"The file says {what}, and its credentials are intact: signed by {signer} ({trust})."


def _tampered(recovery: Evidence | None) -> str:
    sentence = "The file was changed after it was signed: its credentials no longer match its content."
    if recovery and recovery.code == "RECOVERED-SIMILAR":
        return sentence + " The watermark still leads back to the original."
    return sentence
