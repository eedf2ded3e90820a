"""Beside the file to verify lies a Python module named like one that the reader's process imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import sys
from pathlib import Path
from thsafe.provenance.isolated import read_credentials_isolated
from thsafe.provenance.trust import Trust
print(read_credentials_isolated(Path(sys.argv[1]), trust=Trust()).state)
"""


def test_not_imported(scene, tmp_path):
    for name in ("json", "c2pa", "thsafe"):
        (tmp_path / f"{name}.py").write_text("open('taken', 'w').write('over')")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", ASK, str(scene.path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "INTACT-UNKNOWN-SIGNER", done.stderr
    assert not (tmp_path / "taken").exists()
