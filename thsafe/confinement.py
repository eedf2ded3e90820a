"""Limits that a process puts on itself before it reads a stranger's file; none of them can be taken off again.

Memory, processor time, file size and core dumps are bounded by the kernel, and a system-call filter refuses every new
socket, so that code which a crafted file has taken over can neither send nor fetch. Linux on x86-64 and ARM64 only.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import signal
import struct
import sys
from dataclasses import dataclass

from thsafe.core.errors import MissingError

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_EACCES = 13
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
"""Offsets in ``struct seccomp_data`` (linux/seccomp.h)."""
_OTHER_CALLS = 0x40000000
"""Where the numbers of the x32 interface begin: the same calls under names that the list below does not hold."""


@dataclass(frozen=True, slots=True)
class _Machine:
    audit: int
    """``AUDIT_ARCH_…`` of linux/audit.h."""
    refused: tuple[int, ...]
    """Numbers of socket, io_uring_setup (which opens sockets too), ptrace, process_vm_readv and process_vm_writev."""


_MACHINES = {
    "x86_64": _Machine(0xC000003E, (41, 425, 101, 310, 311)),
    "aarch64": _Machine(0xC00000B7, (198, 425, 117, 270, 271)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much one examination may use; past any of these the process is stopped."""

    seconds: float = 300
    """Wall clock; the process's keeper watches it."""
    cpu_seconds: int = 240
    megabytes: int = 4096
    """Address space, of which the libraries alone take about 1 GB."""
    file_megabytes: int = 256
    """Size of any file that it writes."""


def confine(bounds: Bounds) -> None:
    """Put the limits on this process and all that it starts.

    Raises:
        MissingError: ``sandbox.unavailable``: this kernel or machine has no system-call filter; nothing may be read.
    """
    _limit(resource.RLIMIT_AS, bounds.megabytes << 20)
    _limit(resource.RLIMIT_CPU, bounds.cpu_seconds)
    _limit(resource.RLIMIT_FSIZE, bounds.file_megabytes << 20)
    _limit(resource.RLIMIT_CORE, 0)
    cut_off_network()


def _limit(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def end_with_parent() -> None:
    """Ask the kernel to kill this process when the one that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def cut_off_network() -> None:
    """Refuse new sockets and looks into other processes from now on; raises MissingError ``sandbox.unavailable``."""
    machine = _MACHINES.get(platform.machine())
    if machine is None or sys.platform != "linux":
        raise _unavailable(f"{sys.platform} on {platform.machine()}")
    code = _filter(machine)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HL", len(code) // 8, ctypes.addressof(buffer))
    kernel = ctypes.CDLL(None, use_errno=True)
    none = ctypes.c_ulong(0)
    done = kernel.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), none, none, none) == 0
    if not done or kernel.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), program, none, none):
        raise _unavailable(f"prctl failed with errno {ctypes.get_errno()}")


def _filter(machine: _Machine) -> bytes:
    """Classic BPF: kill under another architecture's numbering, refuse the listed calls, allow the rest."""
    calls = machine.refused
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 1, 0, machine.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_AT_LEAST, len(calls) + 1, 0, _OTHER_CALLS),
        *((_JUMP_EQUAL, len(calls) - place, 0, number) for place, number in enumerate(calls)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE | _EACCES),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _unavailable(found: str) -> MissingError:
    return MissingError(
        "A stranger's file cannot be kept from the network here.",
        code="sandbox.unavailable",
        found=found,
        rule="uploads are examined only in a process that cannot open sockets",
        next_step="use Linux 3.17 or newer on x86-64 or ARM64, and let containers use seccomp",
    )
