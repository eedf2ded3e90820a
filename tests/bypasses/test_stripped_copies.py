"""A copy without credentials: remuxed, encoded again, cropped or cut. The marks lead back, or it says nothing."""

from __future__ import annotations

import av
import pytest

CONTAINERS = {
    "mp4": ("x.mp4", {}),
    "faststart": ("x.mp4", {"movflags": "+faststart"}),
    "fragmented": ("x.mp4", {"movflags": "frag_keyframe+empty_moov"}),
    "mov": ("x.mov", {}),
    "mkv": ("x.mkv", {}),
}
ENCODERS = {
    "h264": {"crf": 20},
    "h264 at 3/4": {"crf": 18, "height": 384},
    "h265": {"crf": 26, "codec": "libx265"},
    "vp9": {"crf": 30, "codec": "libvpx-vp9"},
}


def copy_packets(source, target, options):
    with av.open(str(source)) as given, av.open(str(target), "w", options=options) as output:
        streams = {item.index: output.add_stream_from_template(item) for item in given.streams}
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                output.mux(packet)


@pytest.mark.parametrize(("name", "options"), CONTAINERS.values(), ids=CONTAINERS.keys())
def test_another_container_is_identical(scene, judged, tmp_path, name, options):
    copy_packets(scene.path, tmp_path / name, options)
    verdict, credentials, recovery, _ = judged(tmp_path / name)
    assert (verdict, recovery) == ("recovered", "RECOVERED-IDENTICAL")
    assert credentials in {"NONE", "NOT-EVALUATED"}


@pytest.mark.parametrize("options", ENCODERS.values(), ids=ENCODERS.keys())
def test_encoded_again_is_similar(scene, judged, attacks, tmp_path, options):
    if options.get("codec", "libx264") not in av.codecs_available:
        pytest.skip(f"this build has no {options['codec']}")
    attacks.reencode(scene.path, tmp_path / "x.mp4", **options)
    assert judged(tmp_path / "x.mp4")[:3] == ("recovered", "NONE", "RECOVERED-SIMILAR")


def test_cropped_is_similar(scene, judged, attacks, tmp_path):
    attacks.crop(scene.path, tmp_path / "x.mp4", share=0.1)
    assert judged(tmp_path / "x.mp4")[:3] == ("recovered", "NONE", "RECOVERED-SIMILAR")


def test_cut_short_is_similar(scene, judged, attacks, tmp_path):
    attacks.trim(scene.path, tmp_path / "x.mp4", 0.0, 1.2)
    assert judged(tmp_path / "x.mp4")[:3] == ("recovered", "NONE", "RECOVERED-SIMILAR")


def test_the_sound_alone_is_not_mistaken(scene, judged, tmp_path):
    """A sound track taken out of a video is not that video: its packets are a part of the essence only."""
    with av.open(str(scene.path)) as given, av.open(str(tmp_path / "x.m4a"), "w") as output:
        stream = output.add_stream_from_template(given.streams.audio[0])
        for packet in given.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    assert judged(tmp_path / "x.m4a")[2] != "RECOVERED-IDENTICAL"
