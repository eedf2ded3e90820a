"""Still pictures: any of the usual kinds in, one BGR array out; PNG and JPEG out again."""

from __future__ import annotations

import contextlib
import html
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thsafe.core.types import MediaKind
from thsafe.media import complaints
from thsafe.media.limits import DEFAULT_LIMITS, Limits
from thsafe.media.probe import MediaInfo, check_pixels, first_line, sniff_file
from thsafe.media.sniff import Signature

if TYPE_CHECKING:
    from PIL import Image

    from thsafe.core.types import Frame

_NOWHERE = logging.NullHandler()
_GREY = 128
"""What lies behind transparent pixels."""
_ORIENTATION = 0x0112
_SOFTWARE = 0x0131


def read_image(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> Frame:
    """Read a still picture as people see it.

    EXIF orientation is applied, transparency laid over mid grey, grey, palette, CMYK and 16-bit pictures are expanded;
    of an animated one the first picture is taken. Size is checked in the header, before anything is decoded.

    Returns:
        ``uint8`` (height, width, 3), BGR.

    Raises:
        InputError: as ``probe``, and ``input.not-image`` for sound and video.
    """
    signature, _ = sniff_file(path, limits=limits)
    if not signature.image_type:
        raise complaints.not_image(path, signature.video_type or signature.audio_type)
    from PIL import ImageOps

    with _quiet(), _open(path, signature, limits) as picture:
        try:
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            rgb = _opaque_rgb(upright)
        except Exception as problem:
            raise _broken(path, problem) from problem
    return np.ascontiguousarray(np.asarray(rgb)[:, :, ::-1])


def probe_image(path: Path, signature: Signature, size: int, *, limits: Limits) -> MediaInfo:
    """The facts of a still picture, from its header and its end; for ``thsafe.media.probe``."""
    with _quiet(), _open(path, signature, limits) as picture:
        width, height = picture.size
        try:
            exif = picture.getexif()
            turned = exif.get(_ORIENTATION, 1) in {5, 6, 7, 8}
            software = exif.get(_SOFTWARE) or picture.info.get("Software") or picture.info.get("software")
        except Exception as problem:
            raise _broken(path, problem) from problem
    return MediaInfo(
        path=path,
        kind=MediaKind.IMAGE,
        media_type=signature.image_type,
        container=signature.container,
        size_bytes=size,
        width=height if turned else width,
        height=width if turned else height,
        frame_count=1,
        encoder_tag=str(software) if software else None,
    )


def encode_jpeg(frame: Frame, quality: int = 90) -> bytes:
    """A BGR frame as JPEG bytes with full-resolution colour."""
    target = io.BytesIO()
    _from_bgr(frame).save(target, "JPEG", quality=quality, subsampling=0)
    return target.getvalue()


def encode_still(frame: Frame, media_type: str, metadata: Mapping[str, str] | None = None) -> bytes:
    """A BGR frame as a JPEG, PNG or WebP file.

    Args:
        frame: ``uint8`` (height, width, 3).
        media_type: ``image/jpeg``, ``image/png`` or ``image/webp``.
        metadata: named values for an XMP packet, in the namespace of China's TC260 practice guide for pictures.
    """
    from PIL import PngImagePlugin

    target = io.BytesIO()
    packet = _xmp(metadata) if metadata else None
    picture = _from_bgr(frame)
    if media_type == "image/png":
        text = PngImagePlugin.PngInfo()
        if packet:
            text.add_itxt("XML:com.adobe.xmp", packet)
        picture.save(target, "PNG", pnginfo=text)
    elif media_type == "image/jpeg":
        picture.save(target, "JPEG", quality=92, subsampling=0, **({"xmp": packet.encode()} if packet else {}))
    elif media_type == "image/webp":
        picture.save(target, "WEBP", quality=92, method=4, **({"xmp": packet.encode()} if packet else {}))
    else:
        raise ValueError(f"no still picture is written as {media_type}")
    return target.getvalue()


def _xmp(metadata: Mapping[str, str]) -> str:
    """An XMP packet (ISO 16684-1) with simple properties; TC260-PG names the namespace."""
    values = "".join(f"<TC260:{name}>{html.escape(text)}</TC260:{name}>" for name, text in metadata.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/">{values}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )


def write_png(path: Path, frame: Frame) -> None:
    """Write a BGR frame as PNG; the file appears whole or not at all.

    Raises:
        StoreError: ``store.disk-full`` or ``store.unwritable``.
    """
    from thsafe.media.files import write_whole

    target = io.BytesIO()
    _from_bgr(frame).save(target, "PNG")
    write_whole(path, target.getvalue())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Pillow's warnings and log lines are for programmers; what matters is raised, in our own words."""
    logging.getLogger("PIL").addHandler(_NOWHERE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _from_bgr(frame: Frame) -> Image.Image:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(frame[:, :, ::-1]))


@contextlib.contextmanager
def _open(path: Path, signature: Signature, limits: Limits) -> Iterator[Image.Image]:
    """Header only; refuses cut files and absurd sizes."""
    from PIL import Image, UnidentifiedImageError

    if signature.container.startswith("hei"):
        raise complaints.not_media(path, "a HEIC picture, as telephones make them")
    _check_end(path, signature)
    formats = ("JPEG", "MPO") if signature.container == "jpeg" else (signature.container.upper(),)
    with path.open("rb") as source:
        try:
            picture = Image.open(source, formats=formats)
        except Image.DecompressionBombError as problem:
            raise complaints.too_large(path, str(problem), f"at most {limits.max_pixels} pixels") from problem
        except UnidentifiedImageError as problem:
            raise complaints.damaged(path, f"{signature.image_type} whose header does not parse") from problem
        except Exception as problem:
            raise _broken(path, problem) from problem
        with picture:
            check_pixels(path, *picture.size, limits.max_pixels, limits.max_side)
            yield picture


def _opaque_rgb(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if picture.mode in {"I", "F"} or picture.mode.startswith("I;16"):
        wide = np.asarray(picture).astype(np.float32)
        top = 65535.0 if picture.mode != "F" else max(1.0, float(wide.max()))
        picture = Image.fromarray(np.clip(wide * (255.0 / top) + 0.5, 0, 255).astype(np.uint8))
    if picture.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in picture.info:
        over = picture.convert("RGBA")
        ground = Image.new("RGBA", over.size, (_GREY, _GREY, _GREY, 255))
        return Image.alpha_composite(ground, over).convert("RGB")
    return picture.convert("RGB")


def _check_end(path: Path, signature: Signature) -> None:
    """PNG ends in IEND (PNG 3rd ed. §11.2.5), JPEG holds an EOI marker (T.81 §B.1.1.3), WebP fills its RIFF size."""
    size = path.stat().st_size
    with path.open("rb") as source:
        head = source.read(12)
        source.seek(max(0, size - 65536))
        tail = source.read()
    if signature.container == "png" and b"IEND" not in tail:
        raise complaints.truncated(path, "the PNG has no end chunk (IEND)")
    if signature.container == "jpeg" and b"\xff\xd9" not in tail:
        raise complaints.truncated(path, "the JPEG has no end marker (EOI)")
    if signature.container == "webp" and int.from_bytes(head[4:8], "little") + 8 > size:
        raise complaints.truncated(path, "the WebP announces more bytes than there are")


def _broken(path: Path, problem: Exception) -> Exception:
    """Pillow raises many kinds of error on damaged files; all mean the same to the person who chose the file."""
    if isinstance(problem, MemoryError):
        return complaints.too_large(path, "more than this machine's memory", "a decoded picture must fit in memory")
    found = first_line(problem)
    return complaints.truncated(path, found) if "truncated" in found.lower() else complaints.damaged(path, found)
