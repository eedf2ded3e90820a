"""What the verification server costs: start-up, upload to report, and many uploads at once, on loopback.

Usage: ``python benchmarks/serve.py [seconds of load, 10] [uploads at once, 50]``. A server of its own is started over a
temporary home with keys; the photo is labelled and signed by thsafe itself. Wall clock and processor time are printed.
"""

from __future__ import annotations

import os
import platform
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

ROUNDS = 40
UPLOAD = 5 << 20


def main(seconds: float, at_once: int) -> None:
    """Print the figures."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="thsafe-bench-") as name:
        folder = Path(name)
        environment = {**os.environ, "THSAFE_HOME": str(folder / "home")}
        environment.pop("THSAFE_DB", None)
        photo = _photo(folder, environment)
        process, address, started = _start(folder, environment)
        try:
            spent = _processor(process.pid)
            print(f"start-up to the first answer: {started:.2f} s, of processor time {spent:.2f} s with the examiner's")
            _pages(address)
            _latency(address, photo, process.pid)
            _load(address, photo, seconds, at_once, process.pid)
        finally:
            process.terminate()
            process.wait(timeout=20)


def _photo(folder: Path, environment: dict[str, str]) -> bytes:
    """A small photograph, labelled, watermarked and signed."""
    import cv2
    import numpy as np

    noise = np.random.default_rng(1).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "scene.png"), cv2.resize(noise, (640, 480), interpolation=cv2.INTER_CUBIC))
    run = [sys.executable, "-m", "thsafe"]
    subprocess.run([*run, "keys", "new"], env=environment, check=True, capture_output=True)
    label = ["label", str(folder / "scene.png"), "--source-type", "generated", "--shows", "nobody"]
    subprocess.run([*run, *label, "-o", str(folder / "scene.jpg")], env=environment, check=True, capture_output=True)
    return (folder / "scene.jpg").read_bytes()


def _start(folder: Path, environment: dict[str, str]) -> tuple[subprocess.Popen[str], str, float]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "thsafe", "serve", "--port", str(port), "--data", str(folder / "data")]
    began = time.monotonic()
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, text=True)
    while True:
        try:
            httpx.get(address + "/v1/health")
            return process, address, time.monotonic() - began
        except httpx.TransportError:
            time.sleep(0.02)


def _pages(address: str) -> None:
    page = httpx.get(address + "/", headers={"accept": "text/html"})
    parts = [part.split('"')[0] for part in page.text.split('"/static/')[1:]]
    total = len(page.content) + sum(len(httpx.get(f"{address}/static/{part}").content) for part in parts)
    print(f"start page with style and module: {total / 1000:.1f} kB")


def _verify(client: httpx.Client, data: bytes) -> float:
    began = time.monotonic()
    taken = client.post("/v1/verifications", content=data, headers={"content-type": "image/jpeg"})
    taken.raise_for_status()
    while True:
        done = client.get(taken.headers["location"], params={"wait": 30}).json()
        if done["state"] in {"done", "failed"}:
            break
    if done["state"] == "failed":
        raise RuntimeError(done["problem"])
    return time.monotonic() - began


def _latency(address: str, photo: bytes, pid: int) -> None:
    with httpx.Client(base_url=address, timeout=120) as client:
        for _ in range(3):
            _verify(client, photo)
        before = _processor(pid)
        times = sorted(_verify(client, photo) for _ in range(ROUNDS))
        used = (_processor(pid) - before) / ROUNDS
    middle, late = statistics.median(times), times[int(0.95 * ROUNDS) - 1]
    size = len(photo) // 1000
    print(f"signed photo of {size} kB, upload to report: p50 {1000 * middle:.0f} ms, p95 {1000 * late:.0f} ms")
    print(f"  processor time of all the server's processes: {1000 * used:.0f} ms each; load {os.getloadavg()[0]:.1f}")


def _load(address: str, photo: bytes, seconds: float, at_once: int, pid: int) -> None:
    """Uploads of 5 MB (the photo with comments put in, so that it is not as signed), so many at once, for so long."""
    comment = b"\xff\xfe\xff\xff" + bytes(65533)
    data = photo[:2] + comment * ((UPLOAD - len(photo)) // len(comment)) + photo[2:]
    until = time.monotonic() + seconds
    times: list[float] = []
    problems: list[str] = []
    peak = [0]

    def client_work() -> None:
        with httpx.Client(base_url=address, timeout=600) as client:
            while time.monotonic() < until:
                try:
                    times.append(_verify(client, data))
                except (httpx.HTTPError, RuntimeError) as problem:
                    problems.append(repr(problem))

    def watch() -> None:
        while time.monotonic() < until:
            peak[0] = max(peak[0], sum(_memory(number) for number in _family(pid)))
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(at_once) as pool:
        for _ in range(at_once):
            pool.submit(client_work)
    watcher.join()
    times.sort()
    print(f"{at_once} uploads of 5 MB at once for {seconds:g} s: {len(times)} done, {len(problems)} errors")
    if times:
        late = times[max(0, int(0.95 * len(times)) - 1)]
        print(f"  p50 {statistics.median(times):.1f} s, p95 {late:.1f} s")
        print(f"  memory of all the server's processes: {peak[0] / 1e6:.0f} MB at most")
    for text in problems[:3]:
        print("  " + text)


def _family(pid: int) -> list[int]:
    found = [pid]
    for number in found:
        try:
            for task in Path(f"/proc/{number}/task").iterdir():
                found += [int(word) for word in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _memory(pid: int) -> int:
    """Bytes of memory, shared pages counted by share."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def _processor(pid: int) -> float:
    """Seconds of processor time of a process, its children and those that have ended."""
    ticks = 0
    for number in _family(pid):
        try:
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(fields[place]) for place in (11, 12, 13, 14))
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10, int(sys.argv[2]) if len(sys.argv) > 2 else 50)
