"""The command line before any work: help, version, typos, what it imports."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from thsafe.cli.main import run

HEAVY = {"torch", "cv2", "numpy", "c2pa", "sqlalchemy", "av", "mediapipe", "cedarpy", "cryptography", "rich", "jinja2"}


def _imported_by(*arguments: str) -> set[str]:
    code = (
        "import sys\n"
        "from thsafe.cli.main import run\n"
        f"code = run({list(arguments)!r})\n"
        "print('MODULES', ' '.join(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.rsplit("MODULES ", 1)[1].split())


@pytest.mark.parametrize(
    "arguments", [("--help",), ("verify", "--help"), ("generate", "say", "--help"), ("consent", "--help")]
)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert _imported_by(*arguments) & HEAVY == set()


def test_the_library_imports_nothing_heavy_until_used() -> None:
    code = "import sys; from thsafe import verify, SadTalker, Wav2Lip, Portrait; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_every_command_has_help_with_an_explanation(capsys) -> None:
    from thsafe.cli.main import cli

    context = cli.make_context("thsafe", ["keys"], resilient_parsing=True)
    for name in cli.list_commands(context):
        assert run([name, "--help"]) == 0
        assert len(capsys.readouterr().out.splitlines()) > 5, name


def test_a_typo_gets_a_suggestion(capsys) -> None:
    assert run(["verfy", "x"]) == 2
    assert 'Did you mean "verify"?' in capsys.readouterr().err


def test_version_names_what_matters(capsys) -> None:
    assert run(["--version"]) == 0
    shown = capsys.readouterr().out
    assert "thsafe 0." in shown
    assert "c2pa-python" in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion(shell: str, capsys) -> None:
    assert run(["completion", shell]) == 0
    assert "THSAFE_COMPLETE" in capsys.readouterr().out


def test_an_error_is_words_on_stderr_or_json_on_stdout(capsys) -> None:
    assert run(["verify", "no-such-file.mp4"]) == 30
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error[input.missing]")
    assert run(["verify", "no-such-file.mp4", "--json"]) == 30
    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"] == "input.missing"


def test_a_bug_is_reported_without_a_traceback(capsys, monkeypatch) -> None:
    import thsafe.diagnosis

    def broken() -> None:
        raise RuntimeError("unexpected")

    monkeypatch.setattr(thsafe.diagnosis, "diagnose", broken)
    assert run(["doctor"]) == 1
    shown = capsys.readouterr().err
    assert "error[bug]" in shown
    assert "Traceback" not in shown


def test_no_color_is_obeyed(monkeypatch) -> None:
    from thsafe.cli.terminal import style

    assert style("x", fg="red") != "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert style("x", fg="red") == "x"


def test_no_option_or_variable_switches_a_mark_off() -> None:
    """No command offers anything that skips consent, policy, label, watermark, manifest or log."""
    import click

    from thsafe.cli.main import cli

    forbidden = ("skip", "no", "not", "disable", "without", "strip", "remove", "insecure", "bypass", "unsafe", "raw")

    def walk(command: click.Command, context: click.Context) -> list[str]:
        names = [option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)]
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                names += [name, *walk(below, context)]
        return names

    names = walk(cli, click.Context(cli))
    assert len(names) > 40
    guilty = [name for name in names if any(word in forbidden for word in re.split(r"[-_]", name.lstrip("-")))]
    assert guilty == []


def test_a_provenance_only_verify_imports_no_torch(home, tmp_path) -> None:
    import cv2
    import numpy as np

    picture = tmp_path / "plain.png"
    cv2.imwrite(str(picture), np.full((64, 64, 3), 90, np.uint8))
    # verify looks for faces where nothing else settles the file, and loads a network only once there is one
    for command, spared in (
        ("verify", {"torch", "timm", "librosa"}),
        ("inspect", {"torch", "mediapipe", "timm", "librosa"}),
    ):
        assert _imported_by(command, str(picture)) & spared == set()
