"""The rules of the house, enforced: sizes, imports, types, style, and what must never be there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("thsafe", "generators", "detectors", "policies")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_no_module_is_over_500_lines() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: lines for name, lines in long.items() if lines > 500} == {}


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "util", "helpers", "helper", "misc", "common", "manager"}
    assert [str(path) for path in MODULES if path.stem in drawers] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT)) for path in MODULES if not path.read_text().lstrip().startswith(('"""', 'r"""'))
    ]
    assert silent == []


def test_who_may_import_whom() -> None:
    result = _run(str(Path(sys.executable).parent / "lint-imports"), "--no-cache")
    assert result.returncode == 0, result.stdout + result.stderr


def test_types_are_strict() -> None:
    result = _run(sys.executable, "-m", "mypy")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("arguments", [("check",), ("format", "--check")])
def test_style(arguments: tuple[str, ...]) -> None:
    result = _run(sys.executable, "-m", "ruff", *arguments, ".")
    assert result.returncode == 0, result.stdout


def _tracked() -> list[Path]:
    result = _run("git", "ls-files", "-z")
    if result.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in result.stdout.split("\0") if name]


def test_no_path_of_one_machine_is_in_the_tree() -> None:
    machine = re.compile(rb"(?<![\w.])/(work|home/[a-z]+|root|tmp/[a-z]+)/[\w.-]+")
    guilty = []
    for path in _tracked():
        if (
            path.is_file()
            and path.stat().st_size < 2_000_000
            and path.suffix in {".py", ".md", ".toml", ".yml", ".txt", ""}
        ):
            guilty += [
                f"{path.name}: {found.decode()}" for found in (m.group() for m in machine.finditer(path.read_bytes()))
            ]
    assert guilty == []


def test_no_weights_of_others_and_nothing_huge_is_in_the_tree() -> None:
    for path in _tracked():
        assert path.suffix not in {".pth", ".pt", ".h5", ".onnx", ".ckpt", ".moc3"}, path
        assert not path.is_file() or path.stat().st_size < 20_000_000, path
