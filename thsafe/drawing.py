"""Portraits that thsafe draws, as files: signed, logged, and known again as nobody's likeness."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from thsafe.core.errors import ThsafeError
from thsafe.core.ids import new_manifest_label
from thsafe.core.types import MediaKind, MediaRef, Task

if TYPE_CHECKING:
    from thsafe.installation import Installation

EVENT: Final = "drawn"
_SOURCE_TYPE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCreation"


def publish_drawing(name: str, target: Path, *, size: int, installation: Installation) -> str:
    """Draw a person of the cast as a PNG with a signed manifest; returns its SHA-256.

    The log has the file's digest before the file has its name.

    Args:
        name: of the cast.
        target: a ``.png`` path; replaced if it exists.
        size: side in pixels.
        installation: whose key signs.

    Raises:
        KeyError: nobody of the cast has that name.
        SigningError, MarkError, StoreError: it could not be signed, stamped or logged; nothing was written.
    """
    from thsafe.core.version import __version__
    from thsafe.media.digest import hash_file
    from thsafe.media.image import write_png
    from thsafe.provenance.manifest import ManifestFacts
    from thsafe.provenance.sign import sign
    from thsafe.registry import draw_person, drawn_person_digests

    person = drawn_person_digests()[name]
    label = new_manifest_label()
    with tempfile.TemporaryDirectory(prefix=".thsafe-", dir=target.absolute().parent) as folder:
        plain, signed = Path(folder) / "plain.png", Path(folder) / "signed.png"
        write_png(plain, draw_person(name, size))
        facts = ManifestFacts(
            label=label,
            title="Drawn portrait",
            task=Task.SAY,
            digital_source_type="digitalCreation",
            media_type="image/png",
            software_agent={"name": "thsafe cast", "version": __version__},
            log_origin=installation.ledger.origin,
        )
        sign(plain, signed, facts=facts, ring=installation.ring, timestamp="required")
        digest = hash_file(signed)
        installation.ledger.append({"type": EVENT, "sha256": digest, "manifest_id": label, "person": person})
        signed.replace(target)
    return digest


def shows_nobody(ref: MediaRef, installation: Installation) -> bool:
    """Whether a portrait provably shows nobody real: drawn by this installation's own code.

    Either it has no file and the engine draws it again from the parameters behind its digest, or it is, byte for byte,
    a file that the log of this installation knows as drawn, with the manifest that was signed then still intact. What
    a manifest says of a picture is a claim of its signer; here the signer is this installation, and the log says so.
    """
    from thsafe.registry import drawn_person_digests, figure_digests

    if ref.path is None:
        return ref.sha256 in {*drawn_person_digests().values(), *figure_digests().values()}
    if ref.kind is not MediaKind.IMAGE:
        return False
    logged = [str(entry.event["manifest_id"]) for entry in installation.ledger.find(EVENT, sha256=ref.sha256)]
    return bool(logged) and _carries(ref.path, logged, installation)


def _carries(path: Path, manifests: list[str], installation: Installation) -> bool:
    from thsafe.provenance.ladder import Ladder
    from thsafe.provenance.read import read_credentials

    try:
        read = read_credentials(path, trust=installation.trust())
    except ThsafeError:
        return False
    return (
        read.state in {Ladder.INTACT_DEVELOPMENT, Ladder.INTACT_TRUSTED}
        and read.active_label in manifests
        and set(read.digital_source_types) == {_SOURCE_TYPE}
        and not read.ingredients
    )
