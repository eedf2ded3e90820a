"""The verdict on credentials, from status codes; the SDK's own one-word state is never used.

The SDK calls a correctly signed file by anyone ``Valid``, and a file with a damaged ancestor ``Trusted``. Codes are
those of C2PA 2.4 §15.2 and the conformance programme's integrity rubric, which groups them into structure, integrity
and trust.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Ladder(StrEnum):
    """What the credentials of a file are worth, worst first among those that are there."""

    BROKEN = "BROKEN"
    """The file or the credentials were changed after signing."""
    RECOVERED_CONFLICT = "RECOVERED-CONFLICT"
    """A watermark points to credentials of another file: it was moved, or the content was replaced."""
    RECOVERED_SIMILAR = "RECOVERED-SIMILAR"
    """Stripped and re-encoded; watermark and fingerprint agree on what it was."""
    RECOVERED_IDENTICAL = "RECOVERED-IDENTICAL"
    """Stripped; the encoded picture and sound are bit for bit those that were signed."""
    INTACT_UNKNOWN_SIGNER = "INTACT-UNKNOWN-SIGNER"
    """Unchanged since signing, by someone on no list: anyone can make such a certificate."""
    INTACT_DEVELOPMENT = "INTACT-DEVELOPMENT"
    """Unchanged since this installation signed it with its development certificate."""
    INTACT_LEGACY_LIST = "INTACT-LEGACY-LIST"
    """Unchanged; the signer is on the frozen interim list only."""
    INTACT_TRUSTED = "INTACT-TRUSTED"
    """Unchanged; the signer is on a list for claim signers that the user goes by."""
    NONE = "NONE"
    """No credentials: that says nothing about where the file is from."""
    NOT_EVALUATED = "NOT-EVALUATED"
    """Could not be looked at; never a pass."""

    @property
    def intact(self) -> bool:
        """Whether the file is as it was signed, by whomever."""
        return self.value.startswith("INTACT")


STRUCTURE_CODES = frozenset(
    {
        *(
            f"assertion.{name}.malformed"
            for name in (
                "action",
                "alternativeContentRepresentation",
                "bmffHash",
                "boxesHash",
                "collectionHash",
                "dataHash",
                "external-reference",
                "ingredient",
                "multiAssetHash",
            )
        ),
        "assertion.alternativeContentRepresentation.missing",
        "assertion.boxesHash.unknownBox",
        "assertion.cbor.invalid",
        "assertion.external-reference.created",
        "assertion.external-reference.labelMismatch",
        "assertion.json.invalid",
        "assertion.multipleHardBindings",
        "claim.cbor.invalid",
        "claim.hardBindings.missing",
        "claim.malformed",
        "claim.missing",
        "claim.multiple",
        "hashedURI.missing",
        "ingredient.manifest.missing",
        "manifest.compressed.invalid",
        "manifest.html.multipleManifests",
        "manifest.inaccessible",
        "manifest.multipleParents",
        *(
            f"manifest.structuredText.{name}"
            for name in (
                "emptyReference",
                "malformedReference",
                "multipleReferences",
                "noManifest",
                "noResolutionPath",
            )
        ),
        "manifest.timestamp.invalid",
        "manifest.timestamp.wrongParents",
        "manifest.update.invalid",
        "manifest.update.wrongParents",
    }
)
"""Failure codes that say a manifest is not well formed."""
INTEGRITY_CODES = frozenset(
    {
        *(
            f"assertion.{name}.mismatch"
            for name in ("bmffHash", "boxesHash", "collectionHash", "dataHash", "hashedURI", "multiAssetHash")
        ),
        "assertion.action.ingredientMismatch",
        "assertion.action.redactionMismatch",
        "assertion.alternativeContentRepresentation.hashMismatch",
        "assertion.external-reference.hashMismatch",
        "assertion.hardBinding.redacted",
        "claimSignature.missing",
        "hashedURI.mismatch",
        "ingredient.claimSignature.mismatch",
        "ingredient.claimSignature.missing",
        "ingredient.manifest.mismatch",
    }
)
"""Failure codes that say something was changed after signing."""
_TRUST = frozenset(
    {
        "signingCredential.untrusted",
        "signingCredential.invalid",
        "signingCredential.expired",
        "signingCredential.ocsp.revoked",
        "signingCredential.ocsp.unknown",
        "signingCredential.ocsp.inaccessible",
        "claimSignature.outsideValidity",
    }
)
# Everything below these names speaks of structure or content, whether or not the code is known here.
_CHANGED_PREFIXES = (
    "assertion.",
    "claim.",
    "claimSignature.",
    "hashedURI.",
    "ingredient.",
    "manifest.",
)
_HARD_BINDINGS = (
    "assertion.bmffHash",
    "assertion.dataHash",
    "assertion.boxesHash",
    "assertion.collectionHash",
    "assertion.multiAssetHash",
)


def is_change(code: str) -> bool:
    """Whether a failure code says that file or credentials are not as they were signed."""
    return code not in _TRUST and code.startswith(_CHANGED_PREFIXES)


def is_trust(code: str) -> bool:
    """Whether a failure code speaks of who signed, not of what was signed."""
    return code in _TRUST


def is_side_note(code: str) -> bool:
    """Codes that do not bear on the claim: identities (``cawg.``) and time stamps, which are judged by themselves."""
    return code.startswith(("cawg.", "timeStamp."))


def is_hard_binding_mismatch(code: str) -> bool:
    """Whether a code says that the file's bytes are not those that were signed: expected of recovered credentials."""
    return code.startswith(_HARD_BINDINGS) and code.endswith(".mismatch")


def proves_binding(successes: Iterable[str]) -> bool:
    """Whether a hard binding was checked and held."""
    return any(code.startswith(_HARD_BINDINGS) and code.endswith(".match") for code in successes)
