"""For worker processes of tests: a file whose name says "poison" ends whoever parses it, after it was hashed."""

import os
import signal
import sys

opened: dict[str, int] = {}


def watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and "poison" in str(arguments[0]):
        name = str(arguments[0])
        opened[name] = opened.get(name, 0) + 1
        if opened[name] > 1:
            os.kill(os.getpid(), signal.SIGKILL)


# Only in workers of ours and of Ray: Python is slow under a hook, and the rest of Ray must start in seconds.
if any("thsafe.batch" in word or "default_worker.py" in word for word in sys.orig_argv):
    sys.addaudithook(watch)
