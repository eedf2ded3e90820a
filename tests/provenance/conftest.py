"""Small media made on the spot, and keys of the day: certificates kept in files would expire."""

import dataclasses

import av
import cv2
import numpy as np
import pytest

from thsafe.core.ids import new_manifest_label
from thsafe.core.types import Task
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.provenance.manifest import ManifestFacts
from thsafe.provenance.sign import sign
from thsafe.provenance.trust import Trust

SIZE = (320, 240)


def picture(seed):
    """A picture with enough structure to be told from another."""
    random = np.random.default_rng(seed)
    image = cv2.resize(random.integers(0, 255, (6, 8, 3), dtype=np.uint8), SIZE, interpolation=cv2.INTER_CUBIC)
    for _ in range(6):
        centre, colour = random.integers(30, 200, 2), random.integers(0, 255, 3)
        cv2.circle(image, tuple(map(int, centre)), int(random.integers(10, 50)), tuple(map(int, colour)), -1)
    return image


def write_clip(path, seed=1, *, frames=30, codec="libx264", sound="aac", crf=None):
    random = np.random.default_rng(seed)
    image = picture(seed)
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=10, options={} if crf is None else {"crf": str(crf)})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        audio = container.add_stream(sound, rate=16000) if sound else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(image, number % 6, 1), "bgr24")
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            for number in range(frames * 1600 // 1024):
                block = av.AudioFrame.from_ndarray(random.normal(0, 0.1, (1, 1024)).astype(np.float32), "fltp", "mono")
                block.sample_rate, block.pts = 16000, number * 1024
                container.mux(audio.encode(block))
            container.mux(audio.encode())
    return path


def remux(source, target, **options):
    """What ``ffmpeg -c copy`` does."""
    with av.open(str(source)) as container, av.open(str(target), "w", options=options) as output:
        streams = {item.index: output.add_stream_from_template(item) for item in container.streams}
        for packet in container.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                output.mux(packet)
    return target


def frames_of(path, change=lambda image: image):
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield float(frame.time), np.ascontiguousarray(change(frame.to_ndarray(format="bgr24")))


def facts(**changes):
    base = ManifestFacts(
        label=new_manifest_label(),
        title="Talking head",
        task=Task.SAY,
        digital_source_type="trainedAlgorithmicMedia",
        software_agent={"name": "embedded", "version": "0.1.0"},
        model_name="embedded",
        watermark_id="0123456789abcdef",
        log_origin="thsafe.test/log",
        log_index=7,
        log_digest="c" * 64,
        log_size=321,
        policy_digest="a" * 64,
        consent_digests=("b" * 64,),
        label_texts=("AI-generated",),
        detector_url="https://example.org/detector",
    )
    return dataclasses.replace(base, **changes)


@pytest.fixture(scope="session")
def own_home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("home"))
    KeyRing.create(home)
    return home


@pytest.fixture(scope="session")
def ring(own_home):
    return KeyRing.open(own_home)


@pytest.fixture(scope="session")
def trust(own_home):
    return Trust.of_home(own_home)


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "plain.mp4")


@pytest.fixture(scope="session")
def signed(clip, ring):
    """(path, Signed) of a clip with credentials and time stamp."""
    target = clip.with_name("signed.mp4")
    return target, sign(clip, target, facts=facts(), ring=ring)
