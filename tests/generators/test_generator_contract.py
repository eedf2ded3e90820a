"""What every engine must hold to: the built-in ones do, the example package does, and breaches are found."""

from __future__ import annotations

import importlib.util
import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import soundfile

from thsafe import plugins
from thsafe.cli.main import run
from thsafe.core.errors import EngineError, StoreError, UsageError
from thsafe.core.types import Draft, MediaKind, Request, Silent, Task
from thsafe.generation import EngineInfo, Generator, media_input
from thsafe.home import Home
from thsafe.registry import draw_person, engine, engine_names
from thsafe.testing import generator_contract

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "plugin-example"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example as an installed package: its code on the path, its metadata as a build writes them."""
    site = tmp_path / "site"
    _install(site, tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"])
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.syspath_prepend(str(site))
    sys.modules.pop("thsafe_still", None)
    yield site
    sys.modules.pop("thsafe_still", None)


def _install(site: Path, project: dict[str, Any]) -> None:
    name = project["name"].replace("-", "_")
    folder = site / f"{name}-{project['version']}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (folder / "entry_points.txt").write_text("\n".join(lines))


def _offer(site: Path, package: str, target: str, name: str = "still") -> None:
    _install(site, {"name": package, "version": "2", "entry-points": {plugins.GROUP: {name: target}}})


@pytest.mark.parametrize("name", engine_names())
def test_every_built_in_engine_says_what_it_is(name: str) -> None:
    generator_contract.check_class(engine(name))


@pytest.mark.parametrize("name", engine_names())
def test_no_built_in_engine_renders_without_consent(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("THSAFE_DB", raising=False)
    monkeypatch.delenv("THSAFE_CONSENT", raising=False)
    generator_contract.check_gate(engine(name), tmp_path)


def test_nothing_of_it_is_imported_before_it_is_allowed(installed, home, capsys) -> None:
    assert run(["engines", "list"]) == 0
    assert "thsafe engines allow still" in capsys.readouterr().out
    with pytest.raises(UsageError) as caught:
        engine("still")
    assert caught.value.code == "engine.not-allowed"
    assert "thsafe_still" not in sys.modules
    assert run(["engines", "allow", "still"]) == 0
    capsys.readouterr()
    kind = engine("still")
    generator_contract.check_class(kind)
    assert run(["engines", "show", "still"]) == 0
    assert "Apache-2.0" in capsys.readouterr().out
    assert run(["engines", "withdraw", "still"]) == 0
    with pytest.raises(UsageError):
        engine("still")
    assert run(["engines", "withdraw", "still"]) == 2
    assert run(["engines", "allow", "nobody"]) == 2


def test_another_package_does_not_slip_in_under_an_allowed_name(installed, home) -> None:
    plugins.allow("still", Home(home), engine_names())
    for path in installed.glob("thsafe_still*/*"):
        path.unlink()
    _offer(installed, "impostor", "thsafe_still:Still")
    with pytest.raises(UsageError) as caught:
        engine("still")
    assert caught.value.code == "engine.not-allowed"


def test_two_packages_with_one_name_and_taken_names(installed, home) -> None:
    _offer(installed, "other", "thsafe_still:Still")
    with pytest.raises(UsageError) as caught:
        plugins.allow("still", Home(home), engine_names())
    assert caught.value.code == "engine.ambiguous"
    _offer(installed, "shadow", "thsafe_still:Still", name="embedded")
    assert engine("embedded").__module__.startswith("generators.")
    with pytest.raises(UsageError):
        plugins.allow("embedded", Home(home), engine_names())


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("Still = 3", "no class below"),
        ("raise SystemError('no')", "SystemError"),
        ("Other = 1", "AttributeError"),
        ("from thsafe.generation import Generator\nclass Still(Generator):\n    def run(self, *a, **k): ...\n    def render(self, *a): ...", "replaces run"),
        ("from thsafe.generation import Generator\nclass Still(Generator): ...", "does not render"),
        ("from thsafe.generation import Generator\nclass Still(Generator):\n    def render(self, *a): ...", "info.name is None"),
    ],
)  # fmt: skip
def test_unfit_plug_ins_are_named(installed, home, tmp_path, monkeypatch, capsys, code, words) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "odd_plugin.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    sys.modules.pop("odd_plugin", None)
    _offer(installed, "odd", "odd_plugin:Still", name="odd")
    plugins.allow("odd", Home(home), engine_names())
    with pytest.raises(EngineError) as caught:
        engine("odd")
    assert caught.value.code == "engine.plugin"
    assert words in caught.value.found
    assert run(["engines", "list"]) == 0, "one broken plug-in hides no other engine"
    assert "odd" in capsys.readouterr().out


def test_a_damaged_list_allows_nothing(installed, home) -> None:
    Home(home).prepare()
    for text in ("{", "[]", json.dumps({"schema": "thsafe.engines/1", "allowed": {"still": True}})):
        Home(home).engines.write_text(text)
        with pytest.raises(StoreError):
            engine("still")


def test_the_example_is_published_like_any_engine(installed, home, tmp_path, capsys) -> None:
    face, voice, out = tmp_path / "me.png", tmp_path / "speech.wav", tmp_path / "out.mp4"
    cv2.imwrite(str(face), draw_person("ada", 256))
    soundfile.write(voice, 0.3 * np.sin(np.arange(12800) / 20), 16000)
    call = ["generate", "plugin", "still", "--input", f"portrait={face}", "--input", f"voice={voice}", "-o", str(out)]
    assert run(call) == 2
    plugins.allow("still", Home(home), engine_names())
    kind = engine("still")
    inputs = (media_input("portrait", face, MediaKind.IMAGE), media_input("voice", voice, MediaKind.AUDIO))
    request = Request(task=Task.ANIMATE, engine="still", inputs=inputs, purpose="testing", job_id="j", nonce="n")
    permit: Any = None
    generator_contract.check_draft(kind().render(request, permit, Silent()))
    (tmp_path / "contract").mkdir()
    generator_contract.check_gate(kind, tmp_path / "contract")
    from thsafe.keys.ring import KeyRing

    KeyRing.create(Home(home))
    assert run(call) == 21
    assert run(["consent", "new", "--self", "--portrait", str(face)]) == 0
    assert run([*call, "--task", "say"]) == 2
    assert run([*call[:5], "-o", str(out)]) == 2
    assert run(call) == 0
    capsys.readouterr()
    assert run(["verify", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "disclosed"
    assert run(["generate", "plugin", "embedded", "--input", f"portrait={face}", "-o", str(tmp_path / "x.mp4")]) == 2


def _draft(**changes: Any) -> Draft:
    frames = [np.zeros((32, 32, 3), np.uint8)] * 10
    facts = {
        "digital_source_type": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        "software_agent": {"name": "x"},
    }
    whole = Draft(width=32, height=32, fps=Fraction(10), frames=iter(frames), sound=None, facts=facts)
    return replace(whole, **changes)


def test_the_page_shows_the_example_as_it_is() -> None:
    source = (EXAMPLE / "thsafe_still" / "__init__.py").read_text()
    shown = source[source.index("class Still(") : source.index("def nearer(")].rstrip()
    assert shown in (EXAMPLE.parent / "plugins.md").read_text()


def test_what_the_engine_of_the_house_yields_is_a_draft() -> None:
    from thsafe import Portrait
    from thsafe.generation import drawn_portrait, text_input

    inputs = (drawn_portrait("ada"), text_input("Hello."))
    params = {"person": "ada", "voice": "en-us", "rate": 165, "pitch": 50, "short_side": 256, "fps": 10, "seed": 0}
    request = Request(
        task=Task.SAY, engine="embedded", inputs=inputs, params=params, purpose="testing", job_id="j", nonce="n"
    )
    permit: Any = None
    generator_contract.check_draft(Portrait().render(request, permit, Silent()))


def test_breaches_are_found() -> None:
    generator_contract.check_draft(_draft())
    frame, block = np.zeros((32, 32, 3), np.uint8), np.zeros((100, 1), np.float32)
    for breach in (
        {"frames": iter([])},
        {"frames": iter([frame.astype(np.float32)])},
        {"frames": iter([frame[:, :16]])},
        {"width": 33},
        {"fps": Fraction(0)},
        {"frame_count": 9},
        {"sound": iter([block]), "sample_rate": 16000},
        {"sound": iter([np.zeros((16000, 2), np.float32)]), "sample_rate": 16000},
        {"sound": iter([np.full((16000, 1), np.nan, np.float32)]), "sample_rate": 16000},
        {"face_box": (0.8, 0.1, 0.2, 0.9)},
        {"facts": {}},
        {"facts": {"digital_source_type": "digitalCapture", "software_agent": {"name": "x"}}},
    ):
        with pytest.raises(AssertionError):
            generator_contract.check_draft(_draft(**breach))


def test_classes_that_breach_it_are_found(tmp_path) -> None:
    said = EngineInfo(name="x", title="X", tasks=(Task.SAY,), licence="MIT", commercial_use=True, needs="")

    class Fine(Generator):
        info = said

        def render(self, request, permit, progress):
            raise NotImplementedError

    generator_contract.check_class(Fine)
    for changes in (
        {"info": replace(said, tasks=())},
        {"info": replace(said, tasks=(Task.LABEL,))},
        {"info": replace(said, licence=" ")},
        {"run": lambda self, *a, **k: None},
        {"gate_of": lambda self, installation: None},
        {"say": lambda self, *, watermark=True: None},
        {"__init__": lambda self: None},
    ):
        with pytest.raises((AssertionError, TypeError)):
            generator_contract.check_class(type("Odd", (Fine,), changes))
    published = type("Published", (Fine,), {"run": lambda self, *a, **k: None})
    with pytest.raises(AssertionError):
        generator_contract.check_gate(published, tmp_path)
    assert importlib.util.find_spec("thsafe.testing") is not None
