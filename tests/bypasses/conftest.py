"""A published video, its installation and a stranger with keys of his own, made once."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest

from thsafe.core.ids import new_manifest_label
from thsafe.core.types import Output, Task
from thsafe.home import Home
from thsafe.installation import Installation
from thsafe.keys import KeyRing
from thsafe.provenance.manifest import ManifestFacts
from thsafe.verification import verify

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
