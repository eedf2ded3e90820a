"""A server that is killed in the middle: the next one takes its jobs up, or fails them in words."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest


def start(folder, *options):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "thsafe", "serve", "--port", str(port), "--workers", "1", *options]
    environment = {**os.environ, "THSAFE_HOME": str(folder / "home")}
    environment.pop("THSAFE_DB", None)
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    assert "verifying at" in line, line + process.stderr.read()
    return process, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)


def stop(process, client, how):
    client.close()
    process.send_signal(how)
    process.stderr.close()
    return process.wait(timeout=15)


def test_jobs_survive_a_kill(tmp_path, photo):
    process, client = start(tmp_path)
    taken = [
        client.post("/v1/verifications", content=photo, headers={"content-type": "image/png"}).json()["id"]
        for _ in range(6)
    ]
    stop(process, client, signal.SIGKILL)
    jobs = tmp_path / "home" / "serve" / "jobs"
    (jobs / "half-an-upload").mkdir()
    (jobs / "half-an-upload" / "upload").write_bytes(b"x")
    states = [json.loads((jobs / number / "job.json").read_text())["state"] for number in taken]
    assert set(states) & {"waiting", "running"}
    began = time.monotonic()
    process, client = start(tmp_path)
    assert time.monotonic() - began < 20
    try:
        assert not (jobs / "half-an-upload").exists()
        for number in taken:
            done = client.get(f"/v1/verifications/{number}", params={"wait": 30}).json()
            assert done["state"] == "done", done
            assert not (jobs / number / "upload").exists()
        other = subprocess.run(
            [sys.executable, "-m", "thsafe", "serve", "--port", "1024"],
            env={**os.environ, "THSAFE_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert other.returncode == 34
        assert "service.running" in other.stderr
    finally:
        assert stop(process, client, signal.SIGINT) in {0, 130}


def test_a_job_that_killed_its_server_twice_is_given_up(tmp_path, photo, monkeypatch):
    monkeypatch.setattr("thsafe.sandbox.Sandbox.start", lambda _self: None)
    from thsafe.web.jobs import Job, JobFolders, State

    folders = JobFolders(tmp_path / "jobs")
    number = folders.new()
    folders.upload(number).write_bytes(photo)
    folders.save(Job(id=number, name="a", created=1.0, state=State.RUNNING, attempts=2))
    lost = folders.new()
    folders.save(Job(id=lost, name="b", created=2.0))
    folders.release()

    import asyncio

    from thsafe.home import Home
    from thsafe.web.schedule import Schedule
    from thsafe.web.settings import Settings

    settings = Settings(home=Home(tmp_path / "home"), data=tmp_path, keep_seconds=1e12)

    async def run():
        schedule = Schedule(settings, told=lambda _job, _seconds: None)
        await schedule.start()
        found = [schedule.find(number), schedule.find(lost)]
        await schedule.stop()
        return found

    for job in asyncio.run(run()):
        assert job.state is State.FAILED
        assert job.problem["error"] == "service.interrupted"
    assert not (tmp_path / "jobs" / number / "upload").exists()


def test_a_port_that_is_taken_is_said_in_words(tmp_path, monkeypatch, capsys):
    from thsafe.cli.main import run

    monkeypatch.setenv("THSAFE_HOME", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert run(["serve", "--port", str(taken.getsockname()[1])]) == 34
    assert "error[service.port]" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [("--url-network", "nonsense"), ("--max-upload", "much"), ("--max-upload", "0"), ("--port", "0")]
)
def test_wrong_options_are_said_in_words(options, home):
    from thsafe.cli.main import run

    assert run(["serve", *options]) == 2
