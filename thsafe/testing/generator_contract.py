"""What every engine must hold to, as functions that raise AssertionError: for the built-in ones and for plug-ins.

```python
from thsafe.testing import generator_contract


def test_the_contract(tmp_path):
    generator_contract.check_class(MyEngine)
    generator_contract.check_gate(MyEngine, tmp_path)
    generator_contract.check_draft(MyEngine().render(request, permit, Silent()))
```
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from thsafe.core.errors import ConsentRefused
from thsafe.core.types import Draft, MediaKind, Progress, Request, Task
from thsafe.generation import EngineInfo, Generator, media_input
from thsafe.home import Home
from thsafe.keys.ring import KeyRing
from thsafe.permit import Permit
from thsafe.plugins import unfitness

_MARKS: Final = frozenset(
    {"label", "labels", "watermark", "manifest", "c2pa", "policy", "gate", "sign", "log", "ledger"}
)
_SOURCE_TYPES: Final = frozenset(
    {
        "algorithmicMedia",
        "compositeSynthetic",
        "compositeWithTrainedAlgorithmicMedia",
        "digitalCreation",
        "trainedAlgorithmicMedia",
        "virtualRecording",
    }
)
_FEW_SAMPLES: Final = 0.1
"""Seconds by which sound and pictures may end apart."""


def check_class(kind: type[Generator]) -> None:
    """The class says what it is, takes the common options, and replaces nothing that asks or publishes.

    Raises:
        AssertionError: it does not; the message says what.
    """
    info = getattr(kind, "info", None)
    assert isinstance(info, EngineInfo), "info is an EngineInfo"
    wrong = unfitness(kind, info.name)
    assert not wrong, wrong
    assert info.name.isidentifier(), "info.name is one word"
    assert info.name == info.name.lower(), "info.name has small letters"
    assert info.tasks, "info.tasks names at least one task"
    assert set(info.tasks) <= set(Task) - {Task.LABEL}, "tasks that generate"
    for field in ("title", "licence", "speed"):
        assert getattr(info, field).strip(), f"info.{field} says something"
    assert kind.kinds, "kinds names the endings of the output"
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if name.startswith("_") and name != "__init__":
            continue
        for parameter in inspect.signature(method).parameters:
            assert not set(parameter.split("_")) & _MARKS, (
                f"{name} has no parameter about a mark or the gate: {parameter}"
            )
    kind(home=None, purpose="demonstration", declares=(), consent=(), territories=(), language="und", channel="any")


def check_gate(kind: type[Generator], folder: Path) -> None:
    """No task is rendered for a picture that nobody has agreed to, and nothing is written.

    Args:
        kind: the engine; its ``render`` and ``require`` are not called.
        folder: an empty folder.

    Raises:
        AssertionError: something was rendered or written.
    """
    import numpy as np

    from thsafe.media.image import write_png

    picture, out, home = folder / "somebody.png", folder / "out.mp4", Home(folder / "home")
    KeyRing.create(home)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    write_png(picture, noise)
    rendered: list[Task] = []

    def render(_self: Generator, request: Request, _permit: Permit, _progress: Progress) -> Draft:
        rendered.append(request.task)
        raise AssertionError("rendered without a consent")

    watched: Any = type(f"Watched{kind.__name__}", (kind,), {"render": render, "require": lambda _self: None})
    for task in kind.info.tasks:
        code = "published"
        try:
            watched(home=home).run(task, [media_input("portrait", picture, MediaKind.IMAGE)], {}, out)
        except ConsentRefused as refused:
            code = refused.code
        assert code == "consent.missing", f"{task} without a consent: {code}"
        assert not rendered, f"{task} was rendered without a consent"
        assert not out.exists(), f"{task} wrote a file"


def check_draft(draft: Draft) -> None:
    """What an engine yields can be marked and published: shapes, units, lengths and facts. Reads it to its end.

    Raises:
        AssertionError: it is not; the message says what.
    """
    check_stream(draft)
    _check_facts(draft.facts)


def check_stream(draft: Draft) -> None:
    """The pictures and sound of a draft alone; raises as :func:`check_draft`."""
    import numpy as np

    assert draft.width >= 16, "width in pixels"
    assert draft.height >= 16, "height in pixels"
    assert draft.width % 2 == 0 == draft.height % 2, "even sides, which encoders want"
    assert 1 <= draft.fps <= 120, "frames a second"
    count = 0
    for frame in draft.frames:
        assert frame.dtype == np.uint8, "frames are uint8"
        assert frame.shape == (draft.height, draft.width, 3), "frames are (height, width, 3), BGR"
        count += 1
    assert count > 0, "at least one frame"
    assert draft.frame_count in {None, count}, f"frame_count is {draft.frame_count}, and {count} frames came"
    if draft.sound is not None:
        samples = 0
        for block in draft.sound:
            assert block.dtype == np.float32, "sound is float32"
            assert block.ndim == 2, "sound is (samples, channels)"
            assert block.shape[1] == draft.channels, "as many channels as the draft says"
            assert np.isfinite(block).all(), "finite samples"
            samples += len(block)
        assert draft.sample_rate > 0, "sample_rate in Hz"
        apart = abs(samples / draft.sample_rate - float(count / draft.fps))
        assert apart <= _FEW_SAMPLES, f"sound and pictures end {apart:.2f} s apart"
    if draft.face_box is not None:
        x0, y0, x1, y1 = draft.face_box
        assert -0.5 <= x0 < x1 <= 1.5, "face_box in shares of the width"
        assert -0.5 <= y0 < y1 <= 1.5, "face_box in shares of the height"


def _check_facts(facts: Mapping[str, Any]) -> None:
    made = str(facts.get("digital_source_type", "")).rpartition("/")[2]
    assert made in _SOURCE_TYPES, f"digital_source_type is one of IPTC's for made media: {made or 'absent'}"
    agent = facts.get("software_agent")
    assert isinstance(agent, Mapping), "software_agent says who made it"
    assert str(agent.get("name", "")).strip(), "software_agent has a name"
