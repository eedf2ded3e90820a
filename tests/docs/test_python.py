"""Every block of Python that README and docs show is carried out, in order, in an installation of the page's own."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import thsafe_docs_stage as stage
from numpy.typing import NDArray

from thsafe.core.errors import ThsafeError

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = {
    page: found
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if (found := [body for language, body in stage.BLOCK.findall(page.read_text("utf-8")) if language == "python"])
}
EXAMPLE = ROOT / "docs/howto/plugin-example/thsafe_still/__init__.py"
ENDS = {
    ("swap.md", 0): "engine.checkout",
    ("live2d.md", 0): "live2d.model",
    ("d-id.md", 0): "did.key-missing",
    ("wav2lip.md", 0): "model.missing",
    ("neural-engines.md", 0): "model.missing",
    ("other-marks.md", 0): "model.missing",
    ("other-marks.md", 1): "missing.trustmark",
    ("other-marks.md", 2): "model.missing",
    ("python.md", 2): "model.missing",
    ("python.md", 3): "engine.checkout",
}
"""What is missing for a block (page, which of its blocks): weights, programs and accounts of others."""
PRINTS = {
    ("README.md", 0): r"inconclusive .+",
    ("python.md", 0): r"inconclusive .+(\n[\w.-]+ [\w-]+ .+)+",
    ("python.md", 1): r"(?s).*No consent covers the person in me.png.*",
    ("resolution.md", 0): r"\{'matches': \[\]\}",
}
"""What a block prints: of a file without marks, a picture without consent, a mark that leads nowhere."""


def _given(page: Path) -> dict[str, object]:
    """What a page takes to be there already."""
    from detectors.faceforensics.calibrate import calibrate

    labels = np.arange(60) % 2
    scores = labels * 0.4 + np.linspace(0.1, 0.5, 60)
    seen = {"labels": labels, "scores": scores, "labels_jpeg": labels, "scores_jpeg": scores, "people": 60}
    return {
        "README.md": {},
        "add-a-detector.md": {**seen, "calibrate": calibrate, "json": json, "path": Path("calibration.json"),
                              "Sequence": Sequence, "NDArray": NDArray, "np": np},
        "other-marks.md": {"frames": [], "watermark_id": "00" * 8, "picture": None, "sound": None},
    }.get(page.name, {})  # fmt: skip


@contextmanager
def _served(page: Path):
    """The server that a page starts before its Python."""
    if page.name != "resolution.md":
        yield
        return
    command = [sys.executable, "-m", "thsafe", "resolve", "serve", "--port", "8160"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(300):
                with suppress(OSError), socket.create_connection(("127.0.0.1", 8160), timeout=1):
                    break
                time.sleep(0.1)
            yield
        finally:
            process.kill()


@pytest.mark.parametrize("page", BLOCKS, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_of(page, scene, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    names = {"__name__": "docs", **_given(page)}
    if page.name == "plugins.md":
        monkeypatch.syspath_prepend(EXAMPLE.parents[1])
        monkeypatch.delitem(sys.modules, "thsafe_still", raising=False)
    with _served(page):
        for number, body in enumerate(BLOCKS[page]):
            if page.name == "plugins.md" and number == 0:
                assert body.strip() in EXAMPLE.read_text("utf-8")
                continue
            capsys.readouterr()
            code = compile(body, f"{page.name}, block {number}", "exec")
            ends = ENDS.get((page.name, number))
            if ends is None:
                exec(code, names)
            else:
                with pytest.raises(ThsafeError) as caught:
                    exec(code, names)
                assert (caught.value.code, bool(caught.value.next_step)) == (ends, True)
            said = capsys.readouterr().out.strip()
            assert re.fullmatch(PRINTS.get((page.name, number), r"(?s).*"), said), said
    if page.name == "plugins.md":
        names["test_contract"](tmp_path / "contract")
        sys.modules.pop("thsafe_still")  # another test holds that only a permitted plugin is ever imported
    if page.name == "add-a-detector.md":
        assert json.loads(Path("calibration.json").read_text())["about"]["detector"] == "my-net"
