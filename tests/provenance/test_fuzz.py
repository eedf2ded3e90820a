"""The fuzz target: a few damaged stores through it always, and libFuzzer itself for a moment where it is installed."""

import importlib.util
import random
import subprocess
import sys
from pathlib import Path

import pytest

TARGET = Path(__file__).resolve().parents[2] / "fuzz" / "malformed_store.py"


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("thsafe_fuzz_malformed_store", TARGET)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.prepare(tmp_path_factory.mktemp("fuzz"))


def test_genuine_stores_pass(target):
    one_input, stores = target
    assert len(stores[1]) > len(stores[0]) > 1000
    for store in stores:
        one_input(store)


def test_damaged_stores_are_answered(target):
    one_input, stores = target
    chance = random.Random(7)
    for number in range(60):
        data = bytearray(stores[number % 2])
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        one_input(bytes(data))
    for data in (b"", b"\x00" * 64, stores[0][:500], stores[0] * 2):
        one_input(data)


def test_libfuzzer_for_a_moment(tmp_path):
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed (make fuzz installs it)")
    command = [
        sys.executable,
        str(TARGET),
        str(tmp_path / "corpus"),
        "-max_total_time=6",
        f"-artifact_prefix={tmp_path}/",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Done" in done.stderr
