"""Signing and reading credentials: ``python benchmarks/provenance.py [--large]``.

Each signing runs in a process of its own, ours and the bare SDK call by turns, seven times; the middle one counts. The
bare call writes the same manifest with the same key and time stamp, without our file handling and reading back.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

ROUNDS = 7
SMALL_FILES = 100


def make_clip(path: Path, size: int, *, seed: int = 1) -> None:
    """A valid MP4 of about ``size`` bytes: a second of noise, its media data box filled up with random bytes."""
    import av
    import numpy as np

    noise = np.random.default_rng(seed)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        for _ in range(10):
            picture = noise.integers(0, 255, (240, 320, 3), dtype=np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        container.mux(video.encode())
    data = path.read_bytes()
    at = data.rindex(b"mdat") - 4
    missing = max(0, size - len(data))
    with path.open("r+b") as target:
        target.seek(at)
        target.write((len(data) - at + missing).to_bytes(4, "big"))
        target.seek(0, 2)
        while missing > 0:
            target.write(noise.bytes(min(missing, 1 << 20)))
            missing -= 1 << 20


def facts():
    from thsafe.core.ids import new_manifest_label
    from thsafe.core.types import Task
    from thsafe.provenance.manifest import ManifestFacts

    return ManifestFacts(
        label=new_manifest_label(),
        title="Talking head",
        task=Task.SAY,
        digital_source_type="trainedAlgorithmicMedia",
        watermark_id="0123456789abcdef",
        label_texts=("AI-generated",),
    )


def sign_once(how: str, source: Path, target: Path, home: Path) -> None:
    """In a process of its own: prints what one signing cost."""
    from thsafe.home import Home
    from thsafe.keys import KeyRing
    from thsafe.provenance.manifest import build_manifest
    from thsafe.provenance.sign import sign
    from thsafe.provenance.timestamp import LoopbackAuthority

    ring, said = KeyRing.open(Home(home)), facts()
    used = resource.getrusage(resource.RUSAGE_SELF)
    start, cpu = time.perf_counter(), used.ru_utime + used.ru_stime
    if how == "ours":
        sign(source, target, facts=said, ring=ring)
    else:
        import c2pa

        signer = ring.claim_signer()
        with LoopbackAuthority(ring) as authority, c2pa.Builder(build_manifest(said)) as builder:
            native = c2pa.Signer.from_callback(
                signer.sign, c2pa.C2paSigningAlg.ES256, signer.chain_pem.decode(), authority.url
            )
            builder.sign_file(str(source), str(target), native)
    wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss / 1024
    print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime - cpu, "peak": peak}))


def measured(how: str, source: Path, home: Path) -> dict[str, float]:
    target = source.with_name("signed.mp4")
    target.unlink(missing_ok=True)
    arguments = [sys.executable, __file__, "--sign", how, str(source), str(target), str(home)]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def middle(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def signing(folder: Path, home: Path, megabytes: int, rounds: int) -> None:
    source = folder / "large.mp4"
    make_clip(source, megabytes << 20)
    rows: dict[str, list[dict[str, float]]] = {"sdk": [], "ours": []}
    for _ in range(rounds):
        for how, found in rows.items():
            found.append(measured(how, source, home))
    sdk, ours = middle(rows["sdk"]), middle(rows["ours"])
    for name, row in (("bare SDK call", sdk), ("thsafe sign", ours)):
        print(f"  {megabytes} MB {name:<14} {row['wall']:6.2f} s, CPU {row['cpu']:5.2f} s, peak {row['peak']:4.0f} MB")
    print(f"  ours to SDK at {megabytes} MB: wall {ours['wall'] / sdk['wall']:.2f}, CPU {ours['cpu'] / sdk['cpu']:.2f}")
    source.unlink()


def reading(folder: Path, home: Path) -> None:
    """A hundred different files: by the library, by its reader in a process apart, and by a command for each."""
    from thsafe.home import Home
    from thsafe.keys import KeyRing
    from thsafe.provenance.isolated import read_credentials_isolated
    from thsafe.provenance.read import read_credentials
    from thsafe.provenance.sign import sign
    from thsafe.provenance.trust import Trust

    ring, trust = KeyRing.open(Home(home)), Trust.of_home(Home(home))
    plain, signed = [], []
    for number in range(SMALL_FILES):
        plain.append(folder / f"plain-{number}.mp4")
        signed.append(folder / f"signed-{number}.mp4")
        make_clip(plain[-1], 0, seed=number)
        sign(plain[-1], signed[-1], facts=facts(), ring=ring)
    read_credentials(signed[0], trust=trust)
    within = seconds_each(lambda path: read_credentials(path, trust=trust), signed)
    unsigned = seconds_each(lambda path: read_credentials(path, trust=trust), plain)
    apart = seconds_each(lambda path: read_credentials_isolated(path, trust=trust), signed)
    environment = {**os.environ, "THSAFE_HOME": str(home)}

    def by_command(path: Path) -> None:
        command = [sys.executable, "-m", "thsafe", "manifest", "show", str(path)]
        subprocess.run(command, check=True, capture_output=True, env=environment)

    outside = seconds_each(by_command, signed)
    print(f"  {SMALL_FILES} signed files in one process: {within * 1000:.1f} ms each")
    print(f"  the same, each read in a process with limits: {apart * 1000:.1f} ms each, the start of it included")
    print(f"  the same by {SMALL_FILES} commands: {outside * 1000:.0f} ms each, {outside / apart:.0f} times as long")
    print(f"  {SMALL_FILES} unsigned files in one process: {unsigned * 1000:.1f} ms each")


def seconds_each(read: Callable[[Path], object], paths: list[Path]) -> float:
    start = time.perf_counter()
    for path in paths:
        read(path)
    return (time.perf_counter() - start) / len(paths)


def main() -> None:
    if sys.argv[1:2] == ["--sign"]:
        sign_once(sys.argv[2], *(Path(name) for name in sys.argv[3:]))
        return
    from thsafe.home import Home
    from thsafe.keys import KeyRing

    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = folder / "home"
        KeyRing.create(Home(home))
        reading(folder, home)
        signing(folder, home, 96, ROUNDS)
        if "--large" in sys.argv:
            signing(folder, home, 1024, 1)


if __name__ == "__main__":
    main()
