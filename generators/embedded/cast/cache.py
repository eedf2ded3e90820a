"""Drawn people kept ready: drawing one takes seconds, reading one back milliseconds.

A kept drawing is sealed with a secret of this installation, so that no picture of somebody else can be put in its
place and speak as a person nobody has to ask. A seal that does not fit, a damaged file or another version of the
drawing code mean that the person is drawn again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import hmac
import io
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from generators.embedded.cast.person import CAST
from generators.embedded.framing import Framed, frame_portrait
from thsafe.core.canonical import canonical_digest
from thsafe.core.errors import StoreError, ThsafeError
from thsafe.media.files import write_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.home import Home

DRAWN_SIZE: Final = 1024
"""People are drawn at least this large and reduced: drawn at 512 pixels, their outlines show steps."""
KEPT: Final = 40
"""Drawings in the folder; the one not used for longest goes first."""
_SEAL: Final = 32


def framed_person(name: str, *, short_side: int, home: Home | None = None) -> Framed:
    """The named person of the cast, framed, with an exact matte.

    Args:
        name: a key of ``CAST``.
        short_side: pixels of the frame's shorter side.
        home: the installation whose cache is used; None draws anew.
    """
    secret = None if home is None else _secret(home)
    if home is None or secret is None:
        return _drawn(name, short_side)
    key = _key(name, short_side)
    path = home.cache / f"{name}-{short_side}-{key[:16]}.drawn"
    kept = _read(path, key, secret)
    if kept is not None:
        return kept
    framed = _drawn(name, short_side)
    with contextlib.suppress(StoreError, OSError):  # a cache that cannot be written is slow, not wrong
        home.cache.mkdir(mode=0o700, exist_ok=True)
        write_whole(path, _sealed(framed, key, secret))
        _thin_out(home.cache)
    return framed


def _drawn(name: str, short_side: int) -> Framed:
    from generators.embedded import cast

    drawn = cast.draw(CAST[name], size=max(DRAWN_SIZE, short_side))
    framed = frame_portrait(drawn.picture, drawn.landmarks, short_side=short_side, matte=drawn.matte)
    # in 255 steps, as it is kept: the first run and the next ones show the same pixels
    return dataclasses.replace(framed, matte=_opened(_opacity(framed)))


def _opacity(framed: Framed) -> NDArray[np.uint8]:
    matte = np.zeros(framed.picture.shape[:2], np.float32) if framed.matte is None else framed.matte
    return np.asarray(np.rint(matte * 255), np.uint8)


def _opened(opacity: NDArray[np.uint8]) -> NDArray[np.float32]:
    return opacity.astype(np.float32) / np.float32(255)


def _key(name: str, short_side: int) -> str:
    """Everything the picture depends on, as one digest."""
    import cv2

    return canonical_digest(
        {
            "person": canonical_digest(dataclasses.asdict(CAST[name])),
            "size": [DRAWN_SIZE, short_side],
            "code": _code_digest(),
            "numpy": np.__version__,
            "opencv": str(cv2.__version__),
        }
    )


@cache
def _code_digest() -> str:
    """Digest of the drawing code: another version draws another picture."""
    here = Path(__file__).parent
    files = [*sorted(here.glob("*.py")), *sorted(here.glob("*.npz")), here.parent / "framing.py"]
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()


def _secret(home: Home) -> bytes | None:
    """A key for seals, derived from this installation's watermark key; None where there are no keys."""
    from thsafe.keys import KeyRing

    try:
        keys = KeyRing.open(home).watermark_keys()
    except ThsafeError:
        return None
    return hmac.digest(keys["current"], b"thsafe seal of drawn people", "sha256")


def _sealed(framed: Framed, key: str, secret: bytes) -> bytes:
    target = io.BytesIO()
    np.savez(target, picture=framed.picture, landmarks=framed.landmarks, opacity=_opacity(framed))
    data = target.getvalue()
    return hmac.digest(secret, key.encode() + data, "sha256") + data


def _read(path: Path, key: str, secret: bytes) -> Framed | None:
    try:
        whole = path.read_bytes()
    except OSError:
        return None
    seal, data = whole[:_SEAL], whole[_SEAL:]
    if not hmac.compare_digest(seal, hmac.digest(secret, key.encode() + data, "sha256")):
        return None
    with contextlib.suppress(OSError):
        path.touch()
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            return Framed(picture=found["picture"], landmarks=found["landmarks"], matte=_opened(found["opacity"]))
    except (ValueError, KeyError, zipfile.BadZipFile):
        return None


def _thin_out(folder: Path) -> None:
    by_use = sorted(folder.glob("*.drawn"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in by_use[KEPT:]:
        file.unlink(missing_ok=True)
