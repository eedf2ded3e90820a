"""What every test may ask for."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from generators.embedded.cast import Drawn, Person

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of test media that is not part of the project; the test skips where it is absent."""
    base = Path(os.environ.get("THSAFE_SHARED", ROOT.parent / "shared"))
    if not (base / "data").is_dir():
        pytest.skip(f"no test media at {base / 'data'} (set THSAFE_SHARED)")
    return base / "data"


@pytest.fixture(scope="session")
def attacks() -> ModuleType:
    """``benchmarks/attacks.py``: what happens to videos in the world, as functions."""
    path = ROOT / "benchmarks" / "attacks.py"
    spec = importlib.util.spec_from_file_location("thsafe_attacks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session", autouse=True)
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whoever is drawn is drawn once for all workers: an installation of each test's own has nobody in its cache.

    That the same person gives the same picture is asked of the drawing itself by ``generators/test_cast.py``.
    """
    import numpy as np

    from generators.embedded import cast

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "drawn"
    folder.mkdir(exist_ok=True)
    draw = cast.draw

    def remembered(person: Person, *, size: int = 1024) -> Drawn:
        path = folder / f"{hashlib.sha256(f'{person} {size}'.encode()).hexdigest()}.npz"
        if not path.exists():
            drawn = draw(person, size=size)
            part = path.with_suffix(f".{os.getpid()}")
            with part.open("wb") as file:
                np.savez(file, picture=drawn.picture, landmarks=drawn.landmarks, matte=drawn.matte)
            part.replace(path)
        with np.load(path) as kept:
            return cast.Drawn(**kept)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cast, "draw", remembered)
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty THSAFE_HOME of this test's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("THSAFE_HOME", str(folder))
    monkeypatch.delenv("THSAFE_DB", raising=False)
    return folder


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """``gate_world.World``: an installation of this test's own, with gate, clock, people and consents."""
    monkeypatch.delenv("THSAFE_DB", raising=False)
    monkeypatch.delenv("THSAFE_CONSENT", raising=False)
    spec = importlib.util.spec_from_file_location("gate_world", ROOT / "tests" / "gate_world.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.World(tmp_path)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small networks on busy machines wait for PyTorch's own threads more than they compute."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server on which databases may be made and dropped.

    The one named by ``THSAFE_TEST_POSTGRES``, else a throwaway cluster started from Debian's binaries; where there is
    neither, the test skips with the reason.
    """
    named = os.environ.get("THSAFE_TEST_POSTGRES")
    if named:
        yield named
        return
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed (thsafe[postgres])")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not versions:
        pytest.skip("no PostgreSQL: set THSAFE_TEST_POSTGRES or apt-get install postgresql")
    programs = versions[-1].parent
    # The server refuses to run as root; Debian's package made a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="thsafe-pg-"))
    if user is not None:
        shutil.chown(folder, user, user)

    def call(program: str, *arguments: str | Path) -> None:
        command = [programs / program, *arguments]
        subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    data = folder / "data"
    call("initdb", "-D", data, "-A", "trust", "-U", "thsafe", "--no-sync", "-E", "UTF8", "--locale=C")
    settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=50"
    call("pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", settings, "start")
    try:
        yield f"postgresql://thsafe@/postgres?host={folder}"
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty database of this test's own."""
    from sqlalchemy import NullPool, create_engine, make_url, text

    address = make_url(postgres_server).set(drivername="postgresql+psycopg")
    name = f"thsafe_test_{secrets.token_hex(6)}"
    server = create_engine(address, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield address.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()
