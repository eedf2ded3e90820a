"""Named metadata, read from every place where the Chinese label may stand."""

from __future__ import annotations

import html
import json
import time

import av
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from thsafe.core.errors import InputError
from thsafe.media.tags import read_tags
from thsafe.media.wav import write_wav

LABEL = json.dumps({"Label": "1", "ContentProducer": "001", "ProduceID": "a1", "ReservedCode1": ""})


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "mp3", "m4a", "flac", "ogg"])
def test_sound_and_video(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    options = {"movflags": "use_metadata_tags"} if suffix in {"mp4", "mov", "m4a"} else {}
    codec = {"mp3": "libmp3lame", "flac": "flac", "ogg": "libopus", "webm": "libopus"}.get(suffix, "aac")
    with av.open(str(path), "w", options=options, format="mp4" if suffix == "m4a" else None) as target:
        target.metadata["AIGC"] = LABEL
        stream = target.add_stream(codec, rate=48000, layout="mono")
        size = 1024 if codec in {"aac", "flac"} else stream.codec_context.frame_size or 960
        for _ in range(10):
            block = av.AudioFrame.from_ndarray(np.zeros((1, size), np.int16), "s16", "mono")
            block.sample_rate = 48000
            target.mux(stream.encode(block))
        target.mux(stream.encode(None))
    assert read_tags(path)["AIGC"] == LABEL


def test_wav(tmp_path):
    path = tmp_path / "a.wav"
    write_wav(path, np.zeros(801, np.float32), sample_rate=8000, metadata={"AIGC": LABEL})
    assert read_tags(path)["AIGC"] == LABEL


XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/" {attribute}>{element}</rdf:Description>'
    "</rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize("as_attribute", [True, False])
def test_pictures(tmp_path, as_attribute):
    quoted = html.escape(LABEL)
    packet = XMP.format(
        attribute=f'TC260:AIGC="{quoted}"' if as_attribute else "",
        element="" if as_attribute else f"<TC260:AIGC>{quoted}</TC260:AIGC>",
    )
    picture = Image.new("RGB", (16, 16), "teal")
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet)
    picture.save(tmp_path / "a.png", pnginfo=info)
    picture.save(tmp_path / "a.jpg", xmp=packet.encode())
    picture.save(tmp_path / "a.webp", xmp=packet.encode(), lossless=True)
    for name in ("a.png", "a.jpg"):
        assert read_tags(tmp_path / name)["AIGC"] == LABEL
    assert read_tags(tmp_path / "a.webp")["AIGC"] == LABEL


def test_a_hostile_packet_costs_no_time(tmp_path):
    path = tmp_path / "a.png"
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "http://www.tc260.org.cn/ns/AIGC/1.0/" + ":AIGC>" * 300_000)
    Image.new("RGB", (4, 4)).save(path, pnginfo=info)
    began = time.perf_counter()
    read_tags(path)
    assert time.perf_counter() - began < 1.0


def test_none_where_there_is_none(tmp_path, clip):
    assert "AIGC" not in read_tags(clip)
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(path)
    assert read_tags(path) == {}


def test_not_media(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_text("AIGC")
    with pytest.raises(InputError):
        read_tags(path)
