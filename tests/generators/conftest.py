"""What tests of several engines need: Wav2Lip's weights by a rule, and what everybody sees of a process."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def wav2lip_weights(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole network's weights, every tensor computed from its name."""
    rule_file = shared_data.parent / "specs" / "wav2lip" / "detinit.py"
    if not rule_file.is_file():
        pytest.skip("no rule for weights")
    from safetensors.torch import save_file

    from generators.wav2lip import network

    spec = importlib.util.spec_from_file_location("detinit", rule_file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = tmp_path_factory.mktemp("weights") / "computed.safetensors"
    save_file({f"module.{name}": module.rule(name, shape, None) for name, shape in network.shapes().items()}, path)
    return path


@pytest.fixture
def process_list() -> Callable[[int], list[str]]:
    """Tells the command lines of a process and of all below it, as ``ps`` would."""
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("this system has no /proc")
    return _command_lines


def _command_lines(first: int) -> list[str]:
    found, below = {}, {first}
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        found[int(folder.name)], parents[int(folder.name)] = words, parent
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return [found[pid] for pid in sorted(below) if pid in found]
