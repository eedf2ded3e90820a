"""What a file is, from its first bytes: format and IANA type. File names and extensions are never looked at."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A recognised beginning."""

    container: str
    """Name for people and reports, such as ``mp4``."""
    demuxer: str
    """FFmpeg demuxer that must read it; empty for still pictures. Naming it keeps FFmpeg from guessing by extension
    and from formats that open further files (playlists)."""
    video_type: str = ""
    audio_type: str = ""
    image_type: str = ""


_ISO_KINDS = frozenset((b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof"))
_STILL_BRANDS = {b"avif": "image/avif", b"avis": "image/avif", b"heic": "image/heic", b"heix": "image/heic"}
_MPEG = {"video_type": "video/mpeg", "audio_type": "audio/mpeg"}


def sniff(head: bytes) -> Signature | None:
    """Recognise the first ``HEAD_BYTES`` of a file; None if they are no known media."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _image("png", "image/png")
    if head.startswith(b"\xff\xd8\xff"):
        return _image("jpeg", "image/jpeg")
    if head[:6] in {b"GIF87a", b"GIF89a"}:
        return _image("gif", "image/gif")
    if head[:4] in {b"II*\x00", b"MM\x00*"}:
        return _image("tiff", "image/tiff")
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return _image("bmp", "image/bmp")
    if head[:4] in {b"RIFF", b"RF64", b"BW64"}:
        return _riff(head)
    if head[4:8] in _ISO_KINDS:
        return _iso(head)
    if head.startswith(b"\x1aE\xdf\xa3"):
        if b"webm" in head[:64]:
            return Signature(container="webm", demuxer="matroska", video_type="video/webm", audio_type="audio/webm")
        return Signature(
            container="matroska", demuxer="matroska", video_type="video/x-matroska", audio_type="audio/x-matroska"
        )
    if head.startswith(b"OggS"):
        return Signature(container="ogg", demuxer="ogg", video_type="video/ogg", audio_type="audio/ogg")
    if head.startswith(b"fLaC"):
        return Signature(container="flac", demuxer="flac", audio_type="audio/flac")
    if head.startswith(b"\x00\x00\x01\xba"):
        return Signature(container="mpeg-ps", demuxer="mpeg", **_MPEG)
    if head.startswith(b"\x00\x00\x01\xb3"):
        return Signature(container="mpeg-video", demuxer="mpegvideo", **_MPEG)
    if len(head) > 376 and head[0] == head[188] == head[376] == 0x47:
        return Signature(container="mpeg-ts", demuxer="mpegts", video_type="video/mp2t", audio_type="video/mp2t")
    if head.startswith(b"FORM") and head[8:12] in {b"AIFF", b"AIFC"}:
        return Signature(container="aiff", demuxer="aiff", audio_type="audio/aiff")
    if head.startswith(b"caff"):
        return Signature(container="caf", demuxer="caf", audio_type="audio/x-caf")
    if head.startswith(b".snd"):
        return Signature(container="au", demuxer="au", audio_type="audio/basic")
    if head.startswith(b"#!AMR"):
        return Signature(container="amr", demuxer="amr", audio_type="audio/amr")
    if head.startswith(b"FLV\x01"):
        return Signature(container="flv", demuxer="flv", video_type="video/x-flv", audio_type="video/x-flv")
    if head.startswith(b"0&\xb2u\x8ef\xcf\x11"):
        return Signature(container="asf", demuxer="asf", video_type="video/x-ms-wmv", audio_type="audio/x-ms-wma")
    return _mpeg_audio(head)


def _image(container: str, media_type: str) -> Signature:
    return Signature(container=container, demuxer="", image_type=media_type)


def _riff(head: bytes) -> Signature | None:
    form = head[8:12]
    if form == b"WAVE":
        return Signature(container="wav", demuxer="wav", audio_type="audio/wav")
    if form == b"AVI ":
        return Signature(container="avi", demuxer="avi", video_type="video/x-msvideo", audio_type="video/x-msvideo")
    if form == b"WEBP":
        return _image("webp", "image/webp")
    return None


def _iso(head: bytes) -> Signature:
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if brand in _STILL_BRANDS:
        media_type = _STILL_BRANDS[brand]
        return _image(media_type.removeprefix("image/"), media_type)
    if brand == b"qt  " or not brand:
        return Signature(container="mov", demuxer="mov", video_type="video/quicktime", audio_type="audio/mp4")
    return Signature(container="mp4", demuxer="mov", video_type="video/mp4", audio_type="audio/mp4")


def _mpeg_audio(head: bytes) -> Signature | None:
    """MP3 and AAC streams have no magic number, only 11 or 12 set bits: believe them after a checked frame header."""
    if head.startswith(b"ID3"):
        # the tag may stand before AAC or FLAC too, but MP3 is what it was made for
        return Signature(container="mp3", demuxer="mp3", audio_type="audio/mpeg")
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 15 < 13:
        return Signature(container="adts", demuxer="aac", audio_type="audio/aac")
    layer_ok = head[1] & 0xE0 == 0xE0 and head[1] >> 3 & 3 != 1 and head[1] >> 1 & 3 != 0
    rates_ok = head[2] >> 4 not in {0, 15} and head[2] >> 2 & 3 != 3
    if layer_ok and rates_ok:
        return Signature(container="mp3", demuxer="mp3", audio_type="audio/mpeg")
    return None
