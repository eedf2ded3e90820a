"""Ray for real: two nodes on one machine, token authentication, a node removed and a worker killed during the run.

One cluster for the whole file: starting it takes seconds and memory.
"""

import os
import secrets
import signal
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from thsafe.batch import plan_verification, run_batch
from thsafe.batch.executors import Staff, open_executor
from thsafe.core.errors import StoreError, UsageError

# Not imported here: Ray reads the mode of its authentication when it is imported.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (thsafe[ray])"),
]


@pytest.fixture(scope="module")
def settings():
    """What every node of a cluster has in its environment, as docs/howto/scale.md says."""
    given = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DISABLE_IMPORT_WARNING": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parent / "killers"),
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    yield given
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope="module")
def cluster(settings):
    import ray
    from ray.cluster_utils import Cluster

    memory = 100 << 20
    head = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": memory, "include_dashboard": False}
    made = Cluster()
    try:
        made.add_node(**head)
        made.second = made.add_node(num_cpus=2, object_store_memory=memory)
        made.wait_for_nodes()
    except Exception as problem:  # Ray raises no class of its own
        made.shutdown()
        if "timed out during startup" not in str(problem):
            raise
        pytest.skip("this machine is too busy: Ray gives a node's agent 15 seconds to start, and ends it")
    yield made
    ray.shutdown()
    made.shutdown()


def test_two_nodes_a_worker_killed_and_a_node_removed(cluster, lite, many, logged):
    folder = many(150, poison=1)
    planned = plan_verification([str(folder)], recursive=True, home=lite)
    seen: dict[str, object] = {"pids": set()}

    def opened(name, brief, staff):
        executor = open_executor(name, brief, staff)
        hear, count = executor._hear, [0]

        def hearing(actor, reference):
            answers = hear(actor, reference)
            count[0] += len(answers)
            if count[0] >= 20 and "killed" not in seen:
                seen["killed"] = _pid_of(executor)
                os.kill(seen["killed"], signal.SIGKILL)
            if count[0] >= 60 and "removed" not in seen:
                seen["removed"] = True
                threading.Thread(target=cluster.remove_node, args=(cluster.second,)).start()
            return answers

        executor._hear = hearing
        return executor

    staff = Staff(workers=2, cpus=0.5, address=cluster.address)
    summary = run_batch(planned.batch.id, home=lite, executor="ray", staff=staff, opened=opened)
    assert seen["killed"]
    assert seen["removed"]
    assert summary.counts == {"done": 149, "poison": 1}
    assert len(logged(lite)) == len(set(logged(lite))) == 149
    again = run_batch(planned.batch.id, home=lite, executor="ray", staff=staff)
    assert again.done_now == 0


def test_shares_of_a_card(cluster, lite, many):
    """Two actors with half a card each fit on the one card of the head; a share that no node has is said."""
    planned = plan_verification([str(many(6))], recursive=True, home=lite)
    staff = Staff(workers=2, cpus=0.5, gpus=0.5, address=cluster.address)
    assert run_batch(planned.batch.id, home=lite, executor="ray", staff=staff).counts == {"done": 6}


def test_no_room_is_said(cluster, lite, many, monkeypatch):
    monkeypatch.setattr("thsafe.batch.executors.ray._START_SECONDS", 1.0)
    planned = plan_verification([str(many(2))], recursive=True, home=lite)
    staff = Staff(workers=1, cpus=64, address=cluster.address)
    with pytest.raises(UsageError) as caught:
        run_batch(planned.batch.id, home=lite, executor="ray", staff=staff)
    assert caught.value.code == "ray.room"


def test_another_token_is_refused(cluster, settings, lite, many):
    """In a process of its own: Ray reads its token once."""
    import subprocess
    import sys

    planned = plan_verification([str(many(2))], recursive=True, home=lite)
    code = "import sys; from thsafe.cli.main import main; main(sys.argv[1:])"
    command = [
        "batch",
        "run",
        planned.batch.id,
        "--executor",
        "ray",
        "--ray-address",
        cluster.address,
        "--workers",
        "1",
    ]
    asked = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *command],
        env={**os.environ, "RAY_AUTH_TOKEN": "no"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert asked.returncode == int(StoreError.exit_code), asked.stderr
    assert "ray.unreachable" in asked.stderr


def _pid_of(executor):
    import ray

    for actor in executor._actors:
        if actor.opening is None:
            return ray.get(actor.handle.__ray_call__.remote(lambda self: os.getpid()))
    time.sleep(0.1)
    return _pid_of(executor)
