"""A live portrait: asked for, labelled, watermarked, logged; on a page behind a token, and never in a file."""

from __future__ import annotations

import io
import json
import os
import threading
import urllib.error
import urllib.request
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from thsafe.core.errors import ConsentRefused, InputError, UsageError
from thsafe.core.types import MediaKind
from thsafe.generation import drawn_portrait, media_input
from thsafe.home import Home
from thsafe.installation import Installation
from thsafe.live import RATE, check_pipe, perform, wav_stream
from thsafe.viewing import Page, Stage

SIZE = 256
PARAMS = {"person": "ada", "short_side": SIZE, "fps": 10, "seed": 1}


@pytest.fixture(scope="module")
def drawn_once() -> Callable[[str, int], object]:
    """Drawing takes seconds: once for all tests."""
    from functools import cache

    from generators.embedded.cast import cache as kept

    return cache(kept._drawn)


@pytest.fixture
def place(home: Path, drawn_once: Callable[[str, int], object], monkeypatch: pytest.MonkeyPatch) -> Home:
    from thsafe.cli.main import run

    monkeypatch.setattr("generators.embedded.cast.cache._drawn", drawn_once)
    assert run(["keys", "new"]) == 0
    return Home(home)


def speech(seconds: float = 1.6) -> Iterator[np.ndarray]:
    time = np.arange(round(seconds * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 12))
    yield (0.2 * voice * (np.sin(2 * np.pi * 2 * time) > -0.3)).astype(np.float32)


class Clock:
    """Time that passes by waiting alone."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Viewer(threading.Thread):
    """Looks on through the page's WebSocket until the show is over."""

    def __init__(self, page: Page) -> None:
        from websockets.sync.client import connect

        super().__init__(daemon=True)
        self.told: list[dict[str, int]] = []
        self.pictures: list[np.ndarray] = []
        self._connection = connect(socket_of(page))
        self.start()

    def run(self) -> None:
        import cv2

        with self._connection as messages:
            for message in messages:
                if isinstance(message, str):
                    self.told.append(json.loads(message))
                else:
                    self.pictures.append(cv2.imdecode(np.frombuffer(message, np.uint8), cv2.IMREAD_COLOR))


class Attended(Stage):
    """Waits until its viewer has seen each picture: others may miss some."""

    viewer: Viewer

    def show(self, jpeg: bytes, state: dict[str, object]) -> None:
        super().show(jpeg, state)
        for _ in range(500):
            if len(self.viewer.pictures) == state["frames"]:
                return
            threading.Event().wait(0.01)


def socket_of(page: Page) -> str:
    return page.address.replace("http:", "ws:") + "socket"


def test_every_picture_is_marked_and_the_log_knows(place: Home, tmp_path: Path) -> None:
    from thsafe.label import measure_label
    from thsafe.media.planes import bgr_from_i420
    from thsafe.watermark.reader import read_pictures

    pipe = tmp_path / "camera"
    os.mkfifo(pipe)
    taken: list[bytes] = []
    reader = threading.Thread(target=lambda: taken.append(pipe.read_bytes()))
    reader.start()
    clock, stage = Clock(), Attended()
    page = Page(stage, 0)
    viewer = stage.viewer = Viewer(page)
    shown = perform(
        drawn_portrait("ada"),
        speech(),
        params=PARAMS,
        stage=stage,
        pipe=pipe,
        home=place,
        clock=clock,
        sleep=clock.sleep,
    )
    reader.join()
    viewer.join()
    page.close()
    assert shown.frames in {16, 17}  # the last may be begun before the end is known
    assert (shown.late, shown.dropped) == (0, 0)
    assert 0.3 < shown.latency < 1.0
    pictures = np.frombuffer(taken[0], np.uint8).reshape(shown.frames, SIZE * 3 // 2, SIZE)
    frames = [bgr_from_i420(picture) for picture in pictures]
    installation = Installation.open(place)
    reading = read_pictures(iter(frames), installation.watermark_keys(), search=False)
    mark = shown.watermark_id
    assert reading.mark_id == mark
    intent, live = installation.ledger.entry(shown.ledger_index - 1), installation.ledger.entry(shown.ledger_index)
    assert (intent.event["type"], live.event["type"]) == ("intent", "live")
    assert intent.event["job"] == live.event["job"]
    assert (live.event["frames"], live.event["reason"]) == (shown.frames, "ended")
    from thsafe.core.types import Label

    moments = [(number / 10, frame) for number, frame in enumerate(frames)]
    assert measure_label(moments, Label(text="AI-generated"), (SIZE, SIZE)).present
    assert any(not np.array_equal(frames[0], frame) for frame in frames[1:])
    # the page's pictures are the pipe's, through JPEG
    assert [state["frames"] for state in viewer.told] == list(range(1, shown.frames + 1))
    assert viewer.told[-1]["latency_ms"] == round(1000 * shown.latency)
    for picture, frame in zip(viewer.pictures, frames, strict=True):
        assert np.abs(picture.astype(np.int16) - frame).mean() < 4
    assert read_pictures(iter(viewer.pictures), installation.watermark_keys(), search=False).mark_id == mark
    moments = [(number / 10, picture) for number, picture in enumerate(viewer.pictures)]
    assert measure_label(moments, Label(text="AI-generated"), (SIZE, SIZE)).present


def test_a_machine_too_slow_leaves_pictures_out_and_stays_with_the_voice(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from generators.embedded.puppet import Puppet

    clock = Clock()
    real = Puppet.render

    def slow(self: Puppet, pose: object) -> np.ndarray:
        clock.sleep(0.25)  # two and a half pictures' time
        return real(self, pose)  # type: ignore[arg-type]

    monkeypatch.setattr(Puppet, "render", slow)
    stage = Stage()
    shown = perform(
        drawn_portrait("ada"), speech(4.0), params=PARAMS, stage=stage, home=place, clock=clock, sleep=clock.sleep
    )
    assert shown.frames + shown.dropped in {40, 41}
    assert 14 <= shown.frames <= 22
    assert shown.latency < 1.3, "without leaving any out it would be six seconds by now"
    assert stage.state["dropped"] <= shown.dropped
    event = Installation.open(place).ledger.entry(shown.ledger_index).event
    assert (event["frames"], event["dropped"]) == (shown.frames, shown.dropped)


def test_a_portrait_follows_the_face_before_a_camera(place: Home, tmp_path: Path) -> None:
    from generators.embedded.cast.cache import framed_person
    from generators.embedded.pose import CHANNELS, Pose
    from generators.embedded.puppet import Puppet
    from generators.embedded.quality import agreement, look_at
    from thsafe import camera
    from thsafe.media.image import read_image

    shown = framed_person("ada", short_side=SIZE, home=place)
    actor = Puppet(shown.picture, shown.landmarks, matte=shown.matte)
    jaw = np.where(np.arange(40) < 8, 0.0, 0.06 * (1 - np.cos(np.arange(40) * 2 * np.pi / 10)))

    def filmed() -> Iterator[tuple[float, np.ndarray]]:
        for number, value in enumerate(jaw):
            expression = np.zeros(len(CHANNELS), np.float32)
            expression[CHANNELS.index("jaw")] = value
            yield number / 10, actor.render(Pose(expression=expression))

    class Kept(Stage):
        def __init__(self) -> None:
            super().__init__()
            self.pictures: list[np.ndarray] = []

        def show(self, jpeg: bytes, state: dict[str, object]) -> None:
            super().show(jpeg, state)
            file = tmp_path / "p.jpg"
            file.write_bytes(jpeg)
            self.pictures.append(read_image(file))

    clock, stage = Clock(), Kept()
    came = perform(
        drawn_portrait("ada"),
        camera.film(filmed()),
        params=PARAMS,
        stage=stage,
        home=place,
        clock=clock,
        sleep=clock.sleep,
    )
    assert (came.frames, came.dropped) == (40, 0)
    assert came.latency == pytest.approx(0.1, abs=0.02)
    seen = look_at(stage.pictures)
    assert seen.missed == 0
    assert agreement(jaw[10:], seen.opening[10:])[0] >= 0.8


def test_of_a_stream_of_pictures_the_newest_counts(tmp_path: Path) -> None:
    import cv2

    from thsafe import camera

    pictures = [cv2.imencode(".jpg", np.full((32, 32, 3), value, np.uint8))[1].tobytes() for value in (40, 200)]
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "wb") as sink:
        sink.write(b"junk" + pictures[0])
        sink.flush()
        seen = camera.stream(source)
        assert abs(int(seen(0.0).mean()) - 40) < 4
        sink.write(pictures[1])
        sink.flush()
        for _ in range(100):
            if seen(0.1).mean() > 100:
                break
            threading.Event().wait(0.05)
        assert abs(int(seen(0.1).mean()) - 200) < 4
        sink.close()
        for _ in range(100):
            if seen(0.2) is None:
                break
            threading.Event().wait(0.05)
        assert seen(0.2) is None
    with pytest.raises(InputError) as caught:
        camera.stream(io.BytesIO(b"nothing"))
    assert caught.value.code == "live.video"


def test_a_picture_of_somebody_needs_consent_and_nothing_is_shown(place: Home, tmp_path: Path) -> None:
    import cv2

    picture = tmp_path / "me.png"
    cv2.imwrite(str(picture), np.full((300, 300, 3), 128, np.uint8))
    stage = Stage()
    with pytest.raises(ConsentRefused):
        perform(
            media_input("portrait", picture, MediaKind.IMAGE), speech(), params={"fps": 10}, stage=stage, home=place
        )
    assert stage.state["frames"] == 0


def test_no_file_is_ever_written(tmp_path: Path) -> None:
    file = tmp_path / "out.yuv"
    file.write_bytes(b"kept")
    for path in (file, tmp_path / "new.yuv"):
        with pytest.raises(UsageError) as caught:
            check_pipe(path)
        assert caught.value.code == "live.pipe"
    assert file.read_bytes() == b"kept"


def test_the_page_answers_to_its_token_alone() -> None:
    stage = Stage()
    page = Page(stage, 0)
    try:
        with urllib.request.urlopen(page.address) as answer:
            body = answer.read().decode()
        assert "no signed manifest" in body
        stage.show(b"\xff\xd8picture", {"frames": 1, "late": 0, "latency_ms": 480})
        with urllib.request.urlopen(page.address + "state") as answer:
            assert json.load(answer)["latency_ms"] == 480
        with urllib.request.urlopen(page.address + "stream.mjpg") as answer:
            assert answer.headers["Content-Type"].startswith("multipart/x-mixed-replace")
            assert b"image/jpeg" in answer.read(60)
        root = page.address.rsplit("/", 2)[0]
        for wrong in (f"{root}/", f"{root}/other/", f"{page.address}else"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(wrong)
            assert caught.value.code == 404
            caught.value.close()
        foreign = urllib.request.Request(page.address, headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(foreign)
        caught.value.close()
    finally:
        stage.close()
        page.close()


def test_the_socket_gives_numbers_and_pictures_and_says_when_it_is_over() -> None:
    from websockets.exceptions import ConnectionClosedOK
    from websockets.sync.client import connect

    stage = Stage()
    page = Page(stage, 0)
    try:
        own = page.address.split("/", 3)[:3]
        with connect(socket_of(page), origin="/".join(own)) as viewer:
            for number in (1, 2):
                state = {"frames": number, "late": 0, "dropped": 3, "latency_ms": 480}
                stage.show(b"\xff\xd8picture%d" % number, state)
                assert json.loads(viewer.recv(5)) == state
                assert viewer.recv(5) == b"\xff\xd8picture%d" % number
            assert viewer.ping().wait(5)
            stage.close()
            with pytest.raises(ConnectionClosedOK) as caught:
                viewer.recv(5)
            assert caught.value.rcvd.code == 1000
    finally:
        stage.close()
        page.close()


def test_the_socket_is_for_the_page_and_who_knows_the_token() -> None:
    import sys

    from websockets.exceptions import ConnectionClosedError, InvalidStatus
    from websockets.sync.client import connect

    stage = Stage()
    page = Page(stage, 0)
    try:
        refused = [
            (socket_of(page), {"origin": "http://evil.example"}, 403),
            (socket_of(page), {"origin": "null"}, 403),
            (socket_of(page), {"origin": page.address.rsplit(":", 1)[0] + ":1"}, 403),
            (socket_of(page).rsplit("/", 2)[0] + "/other/socket", {}, 404),
        ]
        for address, options, status in refused:
            with pytest.raises(InvalidStatus) as caught:
                connect(address, **options)
            assert caught.value.response.status_code == status
        # no handshake, or another name for this machine
        for headers, status in (({}, 426), ({"Host": "evil.example"}, 404)):
            with pytest.raises(urllib.error.HTTPError) as plain:
                urllib.request.urlopen(urllib.request.Request(page.address + "socket", headers=headers))
            assert plain.value.code == status
            plain.value.close()
        with connect(socket_of(page)) as viewer:
            viewer.send(b"x" * 5000)
            with pytest.raises(ConnectionClosedError) as told:
                viewer.recv(5)
            assert told.value.rcvd.code == 1009, "a viewer has nothing long to say"
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "websockets.server", None)
            with pytest.raises(InvalidStatus) as caught:
                connect(socket_of(page))
            assert caught.value.response.status_code == 501
    finally:
        stage.close()
        page.close()


def test_a_wav_stream_is_heard_and_others_are_refused() -> None:
    whole = next(speech(0.5))
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(np.repeat((whole * 32767).astype("<i2")[:, None], 2, axis=1).tobytes())
    file.seek(0)
    heard = np.concatenate(list(wav_stream(file)))
    assert len(heard) == len(whole)
    assert np.abs(heard - whole).max() < 1e-3
    for junk in (b"", b"RIFFnothing", b"\0" * 100):
        with pytest.raises(InputError) as caught:
            list(wav_stream(io.BytesIO(junk)))
        assert caught.value.code == "live.wav"
