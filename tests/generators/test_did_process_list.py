"""Whoever lists the machine's processes while D-ID is asked does not see the account's key."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_found = importlib.util.spec_from_file_location("did_server", Path(__file__).with_name("did_server.py"))
assert _found is not None
assert _found.loader is not None
did_server = importlib.util.module_from_spec(_found)
_found.loader.exec_module(did_server)
SECRET = did_server.KEY.rpartition(":")[2]

COMMAND = """
import sys
from pathlib import Path
from generators.did.client import Client
from generators.did.key import find_key
from thsafe.cli.main import run
from thsafe.core.types import Silent
from thsafe.remote import RemoteRules

url, folder = sys.argv[1], Path(sys.argv[2])
rules = RemoteRules(schemes=("http",), ports=(int(url.rpartition(":")[2]),), networks=("127.0.0.0/8",), seconds=20)
Client.__init__.__kwdefaults__.update(base=url, results=rules, sleep=lambda seconds: None)
account = Client(find_key())
source = account.upload("images", folder / "face.png")
name = account.create("talks", {"source_url": source, "script": {"type": "text", "input": "Hello."}})
done = account.wait("talks", name, timeout=60, progress=Silent())
account.bring("talks", done, folder / "out.mp4", progress=Silent())
sys.exit(run(["did", "credits"]))
"""


def test_the_key_is_in_no_command_line(tmp_path: Path, process_list) -> None:
    (tmp_path / "face.png").write_bytes(b"a picture")
    service = Watched(b"a film")
    with did_server.Served(service) as served:
        talk = subprocess.Popen(
            [sys.executable, "-c", COMMAND, served.url, tmp_path],
            env={**os.environ, "THSAFE_DID_KEY": did_server.KEY, "NO_PROXY": "*"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        service.look = lambda: process_list(talk.pid)
        said, _ = talk.communicate(timeout=120)
    assert talk.returncode == 0, said
    assert "17 of 20" in said
    assert {path for path, _ in service.seen} == {"/images", "/talks", "/talks/tlk_1", "/result/tlk_1.mp4", "/credits"}
    for path, lines in service.seen:
        assert served.url in lines[0], f"{path}: another process was looked at"
        assert SECRET not in "\n".join(lines), path
    assert SECRET not in said


class Watched(did_server.Service):  # type: ignore[misc, name-defined]
    """Looks at the process list whenever it is asked something: the key is then in use."""

    look: Callable[[], list[str]]

    def __init__(self, video: bytes) -> None:
        super().__init__(video)
        self.seen: list[tuple[str, list[str]]] = []

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        self.seen.append((path, self.look()))
        return super().reply(method, path, headers, body)
