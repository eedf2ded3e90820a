"""What an interrupted job had drawn: its marked pictures, kept until the same job is asked for again.

Nothing is kept that does not bear label and watermark. The key is everything that decides what the pictures look like,
so a changed input, parameter, label or version starts anew; the gate is asked again before any of it is used. Each
record is sealed with a secret of this installation, so that nobody's pictures can be put in the place of others.

Finished groups of pictures are kept as the encoder's packets: a group begins with a key frame that nothing before it
depends on (IDR, H.264 §7.4.1.2.4), so an encoder that starts there goes on where the other stopped. Of an engine that
is slower than a picture in half a second the pictures still in the encoder are kept too.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import io
import os
import shutil
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from thsafe.core.canonical import canonical_digest
from thsafe.media.encode import Coded

if TYPE_CHECKING:
    from thsafe.core.types import Draft, Request
    from thsafe.home import Home
    from thsafe.installation import Installation
    from thsafe.marking import Marks
    from thsafe.media.planes import Plane

SLOW: Final = 0.5
"""Seconds: an engine that takes longer for a picture on average has each of them kept."""
_DAYS: Final = 7
_SEAL: Final = 32
_ID: Final = 16
"""Letters of a watermark id, the first record."""
_HEAD: Final = struct.Struct(">qq?I")


class Unfinished:
    """The kept pictures of one job; use it in a ``with`` block, in which no other process has them.

    Where nothing can be kept (an engine that cannot pass over pictures, another process with the same job, a disk that
    is full) it holds nothing and does nothing.
    """

    def __init__(self, folder: Path | None, secret: bytes, *, shape: tuple[int, int]) -> None:
        self._folder = folder
        self._secret = secret
        self._shape = shape
        self._lock = -1
        self._records = 0
        self._mark_id = ""
        self._groups: list[bytes] = []
        self._open: list[Coded] = []
        self._begun = time.monotonic()
        self._drawn = 0
        self._waiting: set[int] = set()

    @classmethod
    def of(cls, request: Request, draft: Draft, marks: Marks, *, installation: Installation) -> Self:
        """What is kept of the same job, if anything; what lies there for over a week is thrown away."""
        import av

        from thsafe.core.version import __version__

        home = installation.home
        secret = hmac.digest(next(iter(installation.watermark_keys().values())), b"thsafe unfinished work", "sha256")
        shape = (draft.height * 3 // 2, draft.width)
        _throw_away(home, older=_DAYS * 86400)
        if draft.skip is None:
            return cls(None, secret, shape=shape)
        key = canonical_digest(
            {
                "work": request.work_digest(),
                "size": [draft.width, draft.height, str(draft.fps), draft.frame_count or 0],
                "facts": dict(draft.facts),
                "labels": [asdict(label) for label in marks.labels],
                "versions": [__version__, av.__version__],
            }
        )
        return cls(home.unfinished / key[:32], hmac.digest(secret, key.encode(), "sha256"), shape=shape)

    def __enter__(self) -> Self:
        if self._folder is None:
            return self
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._give_up()
            return self
        self._read()
        self._begun = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        folder = self._folder
        self._give_up()
        if folder is not None and not (folder / "coded").exists() and not any(folder.glob("*.picture")):
            shutil.rmtree(folder, ignore_errors=True)

    def continued(self, marks: Marks) -> Marks:
        """The marks of this output: the watermark id is that of the pictures which already bear one."""
        if not self._mark_id:
            self._mark_id = marks.watermark_id
            return marks
        return replace(marks, watermark_id=self._mark_id)

    def coded(self) -> Iterator[Coded]:
        """The packets of all finished groups, in the encoder's order; asked for once."""
        for group in self._groups:
            yield from _unpacked(group)
        self._groups = []

    def pictures(self, first: int) -> Iterator[Plane]:
        """Pictures from number ``first`` on that had not left the encoder, as I420."""
        number = first
        while self._folder is not None:
            data = self._unsealed(_bytes_of(self._folder / f"{number}.picture"), b"picture %d" % number)
            if data is None:
                return
            try:
                plain = zlib.decompress(data)
            except zlib.error:
                return
            self._waiting.add(number)
            yield np.frombuffer(plain, np.uint8).reshape(self._shape).copy()
            number += 1

    def keep_coded(self, packet: Coded) -> None:
        """Take a packet as it leaves the encoder; a group is kept once the next one begins."""
        if self._folder is None:
            return
        if packet.key and self._open:
            self._append(_packed(self._open))
            self._open = []
            for number in [number for number in self._waiting if number < packet.pts]:
                (self._folder / f"{number}.picture").unlink(missing_ok=True)
                self._waiting.discard(number)
        self._open.append(packet)

    def keep_picture(self, number: int, picture: Plane) -> None:
        """Take a marked picture, before the encoder gets it; it is kept where it took long to draw."""
        self._drawn += 1
        if self._folder is None or time.monotonic() - self._begun < SLOW * self._drawn:
            return
        data = zlib.compress(picture.tobytes(), 1)
        try:
            (self._folder / f"{number}.picture").write_bytes(self._sealed(data, b"picture %d" % number))
            self._waiting.add(number)
            if not self._records:
                self._append(b"")
        except OSError:
            self._give_up()

    def clear(self) -> None:
        """Keep nothing of this job any more."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._give_up()

    def _read(self) -> None:
        """All whole records; what follows the first that is torn or not ours is cut off."""
        assert self._folder is not None
        path = self._folder / "coded"
        whole = 0
        source = io.BytesIO(_bytes_of(path))
        while len(head := source.read(4)) == 4:
            data = self._unsealed(source.read(int.from_bytes(head)), b"record %d" % self._records)
            if data is None or len(data) < _ID:
                break
            mark_id, group = data[:_ID].decode("ascii", "replace"), data[_ID:]
            self._mark_id = self._mark_id or mark_id
            if group:
                self._groups.append(group)
            self._records += 1
            whole = source.tell()
        if not self._records:
            for file in self._folder.glob("*.picture"):
                file.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        else:
            with contextlib.suppress(OSError):
                os.truncate(path, whole)

    def _append(self, group: bytes) -> None:
        if self._folder is None:
            return
        sealed = self._sealed(self._mark_id.encode() + group, b"record %d" % self._records)
        try:
            with (self._folder / "coded").open("ab") as target:
                target.write(len(sealed).to_bytes(4) + sealed)
        except OSError:
            self._give_up()
        self._records += 1

    def _sealed(self, data: bytes, place: bytes) -> bytes:
        return hmac.digest(self._secret, place + b"\0" + data, "sha256") + data

    def _unsealed(self, whole: bytes, place: bytes) -> bytes | None:
        seal, data = whole[:_SEAL], whole[_SEAL:]
        fits = hmac.compare_digest(seal, hmac.digest(self._secret, place + b"\0" + data, "sha256"))
        return data if fits else None

    def _give_up(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
        self._lock, self._folder = -1, None


def forget_unfinished(home: Home) -> None:
    """Throw away what is kept of all interrupted jobs that are not running."""
    _throw_away(home, older=0)


def _throw_away(home: Home, *, older: float) -> None:
    now = time.time()
    for folder in home.unfinished.glob("*"):
        with contextlib.suppress(OSError):
            newest = max(file.stat().st_mtime for file in [folder, *folder.iterdir()])
            if now - newest < older:
                continue
            lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _packed(group: list[Coded]) -> bytes:
    return b"".join(_HEAD.pack(item.pts, item.dts, item.key, len(item.data)) + item.data for item in group)


def _unpacked(group: bytes) -> Iterator[Coded]:
    place = 0
    while place < len(group):
        pts, dts, key, size = _HEAD.unpack_from(group, place)
        place += _HEAD.size
        yield Coded(data=group[place : place + size], pts=pts, dts=dts, key=key)
        place += size
