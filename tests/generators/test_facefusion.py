"""A user's own FaceFusion: run apart, with two consents, believed only where all three signs of success are there."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
import tempfile
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import cv2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from generators import program
from generators.facefusion import checkout as driver
from generators.facefusion.models import MODELS
from thsafe import FaceFusion
from thsafe.cli import swap as command_line
from thsafe.cli.main import run
from thsafe.consent.record import Reference
from thsafe.core.errors import (
    ConsentRefused,
    EngineError,
    InputError,
    MissingError,
    PolicyRefused,
    ThsafeError,
    UsageError,
)
from thsafe.core.types import MediaKind, Silent
from thsafe.generation import media_input
from thsafe.registry import draw_person
from thsafe.testing import generator_contract

SCRIPT = '''
"""Does what FaceFusion 3.8.1's headless-run does, but for the faces: options, folders, words, jobs, exit codes."""
import argparse, datetime, json, os, shutil, signal, sys, time, zlib
from pathlib import Path

here = Path(__file__).resolve().parent
behaviour = json.loads((here / "behaviour.json").read_text())
parser = argparse.ArgumentParser(prog="facefusion.py")
headless = parser.add_subparsers(dest="command").add_parser("headless-run")
headless.add_argument("--processors", nargs="+", choices=["face_swapper", "face_enhancer", "deep_swapper"])
headless.add_argument("--face-swapper-model"), headless.add_argument("--face-enhancer-model")
headless.add_argument("-s", "--source-paths", nargs="+"), headless.add_argument("-t", "--target-path")
headless.add_argument("-o", "--output-path"), headless.add_argument("--temp-path"), headless.add_argument("--jobs-path")
headless.add_argument("--config-path"), headless.add_argument("--log-level")
headless.add_argument("--execution-providers", nargs="+"), headless.add_argument("--face-selector-mode")
headless.add_argument("--reference-face-position", type=int), headless.add_argument("--reference-frame-number", type=int)
headless.add_argument("--reference-face-distance", type=float, choices=[round(step / 20, 2) for step in range(21)])
if behaviour["how"] != "old":
    headless.add_argument("--download-providers", nargs="+")
if behaviour["how"] == "curl":
    print("[FACEFUSION.CORE] curl is not installed", file=sys.stderr)
    sys.exit(2)
args = parser.parse_args()
Path(behaviour["told"]).write_text(
    json.dumps({"args": vars(args), "cwd": os.getcwd(), "env": sorted(os.environ), "pid": os.getpid()})
)
how, jobs = behaviour["how"], Path(args.jobs_path)
for state in ("drafted", "queued", "completed", "failed"):
    (jobs / state).mkdir(parents=True, exist_ok=True)
name = datetime.datetime.now().strftime("headless-%Y-%m-%d-%H-%M-%S.json")
job = {"version": "1", "date_created": "", "date_updated": "", "steps": [{"args": {}, "status": "queued"}]}
(jobs / "queued" / name).write_text(json.dumps(job))


def say(words):
    print(f"[FACEFUSION.CORE] {words}", file=sys.stderr, flush=True)


def end(state, code):
    (jobs / "queued" / name).rename(jobs / state / name)
    sys.exit(code)


def bar(stage, total):
    for done in range(0, total + 1, 2):
        print(f"\\r{stage}: {100 * done // total:3d}%|{'=' * 4}  | {done}/{total} [00:01<00:03, 60.10frame/s]",
              end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


analyser = (here / "facefusion" / "content_analyser.py").read_bytes()
if format(zlib.crc32(analyser), "08x") not in (here / "facefusion" / "core.py").read_text():
    end("failed", 1)
if how == "hash":
    say("validating hash for nsfw_1 failed")
    end("failed", 1)
say("processing step 1 of 1")
frames = Path(args.temp_path) / "facefusion" / "target"
frames.mkdir(parents=True)
(frames / "00000001.png").write_bytes(b"a frame")
if how == "face":
    say("no source face detected!")
    end("failed", 1)
if how == "target":
    say("choose an image or video for the target!")
    end("failed", 1)
if how == "ending" or Path(args.target_path).suffix != Path(args.output_path).suffix:
    say("match the target and output extension!")
    end("failed", 1)
bar("analysing", 10)
if how == "nsfw":
    end("failed", 1)
if how == "interrupted":
    sys.exit(0)
bar("extracting", 10)
if how == "hang":
    time.sleep(300)
if how == "trouble":
    say("copying video failed")
    end("failed", 1)
if how != "no output":
    shutil.copy(args.target_path, args.output_path)
if how == "broken":
    Path(args.output_path).write_bytes(Path(args.output_path).read_bytes()[:300])
bar("processing", 10)
if how == "left queued":
    sys.exit(0)
say("processing to video succeeded in 0.42 seconds")
shutil.rmtree(Path(args.temp_path) / "facefusion")
end("completed", 0)
'''
ANALYSER = b"# looks at frames\n"


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "told.json"


@pytest.fixture
def folder(tmp_path: Path, told: Path) -> Path:
    base = tmp_path / "my facefusion"
    (base / "facefusion").mkdir(parents=True)
    (base / ".assets" / "models").mkdir(parents=True)
    (base / ".assets" / "models" / "ghost_1_256.onnx").write_bytes(b"stub")
    (base / "facefusion.py").write_text(SCRIPT)
    (base / "facefusion" / "metadata.py").write_text(
        "METADATA =\\\n{\n\t'name': 'FaceFusion',\n\t'version': '3.8.1'\n}\n"
    )
    (base / "facefusion" / "content_analyser.py").write_bytes(ANALYSER)
    check = f"return content_analyser_hash == '{zlib.crc32(ANALYSER):08x}'\n"
    (base / "facefusion" / "core.py").write_text(check)
    _behave(base, told, "well")
    return base


def _behave(folder: Path, told: Path, how: str) -> None:
    (folder / "behaviour.json").write_text(json.dumps({"how": how, "told": str(told)}))


@functools.cache
def _drawn() -> Any:
    return draw_person("ada", 256)


@pytest.fixture
def face(tmp_path: Path) -> Path:
    path = tmp_path / "a face.png"
    cv2.imwrite(str(path), _drawn())
    return path


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "a film.v1.mp4"
    picture = _drawn()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 256, "yuv420p"
        for number in range(20):
            shifted = picture.copy()
            shifted[:8, : number * 8 + 8] = 90
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shifted, "bgr24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what stays behind is seen."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.delenv("THSAFE_FACEFUSION", raising=False)


def _left(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "tmp").iterdir())


class Heard(Silent):
    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.steps: dict[str, int] = {}

    def start(self, stage: str, total: int | None) -> None:
        self.stages.append((stage, total))

    def advance(self, steps: int = 1) -> None:
        stage = self.stages[-1][0]
        self.steps[stage] = self.steps.get(stage, 0) + steps


def _render(folder: Path, face: Path, film: Path, *, timeout: float = 60, progress: Any = None, **manner: Any) -> Any:
    return driver.render(
        [media_input("portrait", face, MediaKind.IMAGE)],
        media_input("target", film, MediaKind.VIDEO),
        driver.Checkout(folder=folder, python=Path(sys.executable), timeout=timeout),
        driver.Manner(**{"model": "ghost_1_256", **manner}),
        facts={
            "digital_source_type": "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
            "software_agent": {"name": "a test"},
        },
        progress=progress or Silent(),
    )


def test_pictures_come_back_and_nothing_stays(folder, told, face, film, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("THSAFE_KEY_PASSPHRASE", "secret")
    before = sorted(folder.rglob("*"))
    progress = Heard()
    draft = _render(folder, face, film, progress=progress, faces="reference", reference_frame=7, enhance=True)
    assert draft.frame_count == 20
    generator_contract.check_draft(draft)
    assert draft.sound is None, "the film has none"
    assert _left(tmp_path) == []
    assert sorted(folder.rglob("*")) == before, "the user's folder is as it was"
    given = json.loads(told.read_text())
    assert given["args"]["processors"] == ["face_swapper", "face_enhancer"]
    assert (given["args"]["face_selector_mode"], given["args"]["reference_frame_number"]) == ("reference", 7)
    assert Path(given["args"]["target_path"]).suffix == Path(given["args"]["output_path"]).suffix == ".mp4"
    assert Path(given["cwd"]).name == "my facefusion"
    assert "THSAFE_KEY_PASSPHRASE" not in given["env"]
    own = Path(given["args"]["output_path"]).parent
    assert all(Path(given["args"][name]).parent == own for name in ("temp_path", "jobs_path", "config_path"))
    assert [stage for stage, _ in progress.stages[1:]] == [
        f"FaceFusion: {word}" for word in ("analysing", "extracting", "processing")
    ]
    assert set(progress.steps.values()) == {10}


@pytest.mark.parametrize(
    ("how", "kind", "code", "words"),
    [
        ("nsfw", EngineError, "facefusion.refused", "exit code 1, no output, job failed"),
        ("face", InputError, "facefusion.source", "no source face detected!"),
        ("target", InputError, "facefusion.target", "choose an image or video"),
        ("ending", InputError, "facefusion.target", "match the target and output extension"),
        ("hash", MissingError, "facefusion.models", "validating hash for nsfw_1 failed"),
        ("old", EngineError, "facefusion.options", "unrecognized arguments: --download-providers"),
        ("curl", MissingError, "facefusion.programs", "curl is not installed"),
        ("interrupted", EngineError, "facefusion.stopped", "exit code 0, no output, job queued"),
        ("left queued", EngineError, "facefusion.stopped", "exit code 0, an output, job queued"),
        ("no output", EngineError, "engine.no-output", "exit code 0, no output, job completed"),
        ("trouble", EngineError, "engine.failed", "copying video failed"),
        ("broken", EngineError, "engine.output-unreadable", ""),
    ],
)
def test_every_other_end_is_named(folder, told, face, film, tmp_path, how, kind, code, words) -> None:
    _behave(folder, told, how)
    with pytest.raises(kind) as caught:
        _render(folder, face, film)
    assert caught.value.code == code
    assert words in caught.value.found
    assert _left(tmp_path) == []


def test_an_edited_content_check_is_told_from_a_refusal(folder, face, film, tmp_path) -> None:
    (folder / "facefusion" / "content_analyser.py").write_bytes(b"# looks at nothing\n")
    with pytest.raises(EngineError) as caught:
        _render(folder, face, film)
    assert caught.value.code == "facefusion.edited"
    assert _left(tmp_path) == []


def test_it_is_ended_with_sigterm_and_its_frames_go(folder, told, face, film, tmp_path, monkeypatch) -> None:
    _behave(folder, told, "hang")
    ends: list[int] = []
    sent = os.killpg
    monkeypatch.setattr(program.os, "killpg", lambda group, order: (ends.append(order), sent(group, order)))
    with pytest.raises(EngineError) as caught:
        _render(folder, face, film, timeout=2)
    assert caught.value.code == "engine.timeout"
    assert ends[0] == 15
    assert _left(tmp_path) == []
    pid = json.loads(told.read_text())["pid"]
    assert not Path(f"/proc/{pid}").exists()


def test_ctrl_c_ends_it_too(folder, told, face, film, tmp_path, monkeypatch) -> None:
    _behave(folder, told, "hang")

    class Stopped(Silent):
        def start(self, stage: str, total: int | None) -> None:
            if stage == "FaceFusion: extracting":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _render(folder, face, film, progress=Stopped())
    assert not Path(f"/proc/{json.loads(told.read_text())['pid']}").exists()
    assert _left(tmp_path) == []


def test_no_key_is_in_its_command_line(folder, told, face, film, monkeypatch, process_list) -> None:
    """Looked at while it runs, as any user of the machine can."""
    keys = {"THSAFE_KEY_PASSPHRASE": "opens-every-key", "THSAFE_DID_KEY": "someone@example.org:an-account"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    seen: list[str] = []

    class Looks(Silent):
        def start(self, stage: str, total: int | None) -> None:
            if stage == "FaceFusion: extracting":
                pid = json.loads(told.read_text())["pid"]
                seen.extend([*process_list(pid), Path(f"/proc/{pid}/environ").read_text()])
                raise KeyboardInterrupt

    _behave(folder, told, "hang")
    with pytest.raises(KeyboardInterrupt):
        _render(folder, face, film, progress=Looks())
    assert "headless-run" in seen[0]
    assert not [value for value in keys.values() if value in "\n".join(seen)]


def test_an_input_that_changed_after_approval_is_not_read(folder, face, film, tmp_path) -> None:
    target = media_input("target", film, MediaKind.VIDEO)
    film.write_bytes(film.read_bytes() + b"x")
    with pytest.raises(InputError) as caught:
        driver.render(
            [media_input("portrait", face, MediaKind.IMAGE)], target, driver.Checkout(folder=folder, python=Path(sys.executable)),
            driver.Manner(model="ghost_1_256"), facts={}, progress=Silent(),
        )  # fmt: skip
    assert caught.value.code == "input.changed"
    assert _left(tmp_path) == []


def _agree(world, path: Path, *, modes: tuple[str, ...] = ("swap",)) -> None:
    """Each file with a person, and a consent, of its own."""
    now = datetime.now(UTC)
    world.now = now
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    world.consent(
        signers=[Ed25519PrivateKey.generate()],
        scope={"modes": modes},
        references=(Reference(role="portrait", sha256=digest),),
        valid_from=now - timedelta(days=1),
        valid_until=now + timedelta(days=30),
    )


def _swap(world, folder: Path, face: Path, film: Path, out: Path, **more: Any) -> Any:
    engine = FaceFusion(checkout=folder, checkout_python=sys.executable, home=world.home)
    return engine.swap(image=face, video=film, output_path=out, **more)


def test_both_people_must_agree(world, folder, told, face, film, tmp_path) -> None:
    out = tmp_path / "out.mp4"
    for agreed in ((), (face,), (film,)):
        for path in agreed:
            _agree(world, path)
        if agreed == (film,):
            break
        with pytest.raises(ConsentRefused) as caught:
            _swap(world, folder, face, film, out)
        assert caught.value.code == "consent.missing"
        assert not told.exists(), "FaceFusion was never started"
    output = _swap(world, folder, face, film, out)
    assert out.is_file()
    intent = next(entry for entry in world.ledger.entries() if entry.type == "intent")
    assert {item["input"] for item in intent.event["consents"]} == {"portrait", "target"}
    assert intent.event["weights"]["model"] == "ghost_1_256"
    assert intent.event["weights"]["sha256"] == hashlib.sha256(b"stub").hexdigest()
    from thsafe.verification import verify

    assert verify(out, home=world.home).verdict == "disclosed"
    assert output.engine == "facefusion"


def test_consent_to_speak_is_none_to_swap(world, folder, told, face, film, tmp_path) -> None:
    _agree(world, face)
    _agree(world, film, modes=("say", "lipsync"))
    with pytest.raises(ConsentRefused) as caught:
        _swap(world, folder, face, film, tmp_path / "out.mp4")
    assert caught.value.code == "consent.modes"
    assert not told.exists()


def test_models_of_named_people_are_denied_by_policy(world, folder, told, face, film, tmp_path) -> None:
    _agree(world, face)
    _agree(world, film)
    with pytest.raises(PolicyRefused) as caught:
        _swap(world, folder, face, film, tmp_path / "out.mp4", processors=("face_swapper", "deep_swapper"))
    assert caught.value.code == "use.celebrity"
    assert not told.exists()
    with pytest.raises(UsageError):
        _swap(world, folder, face, film, tmp_path / "out.mp4", processors=("face_swapper", "lip_syncer"))
    assert not told.exists()


def test_a_refusal_is_logged_as_failed(world, folder, told, face, film, tmp_path) -> None:
    _agree(world, face)
    _agree(world, film)
    _behave(folder, told, "nsfw")
    with pytest.raises(ThsafeError) as caught:
        _swap(world, folder, face, film, tmp_path / "out.mp4")
    assert caught.value.code == "facefusion.refused"
    last = list(world.ledger.entries())[-1]
    assert (last.type, last.event["reason"]) == ("failed", "facefusion.refused")
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    "odd",
    [
        {"reference_distance": 0.33}, {"reference_distance": float("nan")}, {"reference_distance": 1.05},
        {"reference_frame": -1}, {"faces": "none"}, {"model": "deep"}, {"image": []},
    ],
)  # fmt: skip
def test_odd_arguments_are_refused_before_anything(home, folder, told, face, film, tmp_path, odd) -> None:
    engine = FaceFusion(checkout=folder)
    with pytest.raises(UsageError):
        engine.swap(**{"image": face, "video": film, "output_path": tmp_path / "out.mp4", **odd})
    assert not told.exists()


def test_licences_are_asked_for(world, folder, face, film, tmp_path) -> None:
    with pytest.raises(UsageError) as caught:
        _swap(world, folder, face, film, tmp_path / "out.mp4", model="inswapper_128")
    assert caught.value.code == "model.licence"
    engine = FaceFusion(checkout=folder, home=world.home, purpose="advertising")
    with pytest.raises(PolicyRefused) as refused:
        engine.swap(
            image=face, video=film, output_path=tmp_path / "out.mp4", model="uniface_256", accept_noncommercial=True
        )
    assert refused.value.code == "model.purpose"


def test_the_command_line_knows_every_model_and_says_what_is_missing(tmp_path, face, film, home, capsys) -> None:
    assert tuple(MODELS) == command_line._MODELS
    call = ["generate", "swap", "--image", str(face), "--video", str(film), "-o", str(tmp_path / "out.mp4"), "--json"]
    assert run(call) == 31
    assert json.loads(capsys.readouterr().out)["error"] == "engine.checkout-unnamed"
    assert run([*call, "--checkout", str(tmp_path)]) == 31
    assert json.loads(capsys.readouterr().out)["error"] == "engine.checkout"
