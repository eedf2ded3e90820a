"""A published video, its installation and a stranger with keys of his own, made once."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from thsafe.core.ids import new_manifest_label
from thsafe.core.types import Output, Task
from thsafe.home import Home
from thsafe.installation import Installation
from thsafe.keys import KeyRing
from thsafe.media.planes import bgr_from_i420, i420_from_bgr, split_planes
from thsafe.provenance.manifest import ManifestFacts
from thsafe.verification import verify
from thsafe.watermark.payload import CODE_BITS
from thsafe.watermark.picture import PictureMarker

TINY = Path(__file__).parent.parent / "publishing" / "tiny.py"


@dataclasses.dataclass(frozen=True)
class Scene:
    """``output`` was published by the installation at ``home``; ``stranger`` has keys that nobody vouches for."""

    home: Home
    output: Output
    stranger: KeyRing

    @property
    def path(self) -> Path:
        return self.output.path

    @property
    def installation(self) -> Installation:
        return Installation.open(self.home)

    def facts(self, **changes) -> ManifestFacts:
        """What the stranger writes when he wants a generated video to look like a camera's."""
        base = ManifestFacts(
            label=new_manifest_label(),
            title="Interview",
            task=Task.SAY,
            digital_source_type="digitalCapture",
            software_agent={"name": "Camera", "version": "1"},
            model_name=None,
            watermark_id=None,
            log_origin="elsewhere.test/log",
            log_index=0,
            policy_digest="a" * 64,
            consent_digests=(),
            label_texts=(),
        )
        return dataclasses.replace(base, **changes)


def _load_tiny():
    spec = importlib.util.spec_from_file_location("tiny_engine_of_bypasses", TINY)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    # Large enough for the watermark to outlive a platform's encoder.
    module.WIDTH, module.HEIGHT = 640, 512
    return module


@pytest.fixture(scope="session")
def scene(tmp_path_factory) -> Scene:
    folder = tmp_path_factory.mktemp("scene")
    home = Home(folder / "home")
    home.prepare()
    KeyRing.create(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THSAFE_HOME", str(home.path))
        patch.delenv("THSAFE_DB", raising=False)
        output = _load_tiny().Tiny(frames=48).say(folder / "out.mp4")
    return Scene(home=home, output=output, stranger=KeyRing.create(Home(folder / "stranger")))


@pytest.fixture
def judged(scene):
    """Verify a file with the scene's installation: (verdict, code of credentials, code of recovery, report)."""

    def judge(path: Path, home: Home | None = None):
        report = verify(path, home=home or scene.home, record=False)
        return str(report.verdict), report.finding("credentials").code, report.finding("recovery").code, report

    return judge


def _washed(picture):
    """Shrunk until the waves of the mark are gone, and blown up again; what the picture looks like stays."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // 20, height // 20), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="session")
def faded(scene, attacks, tmp_path_factory) -> dict[str, Path]:
    """The published film by what the reader says of its picture mark: ``absent`` or ``present``.

    Between an id that is read and no mark at all lies little, and where depends on the key: so the mark is washed out,
    and for ``present`` written again under the same key with code bits that are noise, which no key makes an id.
    """
    folder = tmp_path_factory.mktemp("faded")
    attacks.rewrite(scene.path, folder / "absent.mp4", lambda _, picture: _washed(picture), crf=18)
    noise = np.random.default_rng(5).integers(0, 2, CODE_BITS).astype(np.int8)
    key = next(iter(scene.installation.watermark_keys().values()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("thsafe.watermark.payload.encode", lambda *_: noise)
        marker = PictureMarker(key, scene.output.watermark_id, width=640, height=512)

    def mark(_, picture):
        i420 = i420_from_bgr(_washed(picture))
        marker.apply(split_planes(i420))
        return bgr_from_i420(i420)

    attacks.rewrite(scene.path, folder / "present.mp4", mark, crf=18)
    return {state: folder / f"{state}.mp4" for state in ("absent", "present")}
