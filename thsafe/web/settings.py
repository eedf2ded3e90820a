"""How one server is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from thsafe.confinement import Bounds
from thsafe.home import Home
from thsafe.remote import RemoteRules
from thsafe.web.tokens import TOKENS_FILE

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything about a server that whoever runs it may choose."""

    home: Home
    data: Path
    """Where uploads and reports are while they are needed; private to this server."""
    public: bool = False
    """For everyone: nothing personal in reports, nothing kept, no log entry, a rate limit."""
    token_needed: bool = False
    """Verifying needs a token of scope ``verify``; otherwise only what is never public does."""
    hosts: tuple[str, ...] = ()
    """Names under which the server answers, besides the loopback ones."""
    max_upload: int = 2 << 30
    """Bytes."""
    keep_seconds: float = 24 * 3600
    """How long a report is kept; in public mode it is gone once it was delivered."""
    undelivered_seconds: float = 600
    """How long a public report waits for whoever asked for it."""
    workers: int = 2
    """Files examined at the same time."""
    most_waiting: int = 200
    """Jobs that may wait; more are turned away."""
    per_minute: int = 10
    """In public mode: verifications that one client may start in a minute, and bursts of as many."""
    idle_seconds: float = 20
    """How long an upload may pause."""
    slowest: int = 4096
    """Bytes in a second that an upload must reach on average after its first half minute."""
    remote: RemoteRules | None = field(default_factory=RemoteRules)
    """What may be fetched by address; None: nothing."""
    bounds: Bounds = field(default_factory=Bounds)
    """What examining one file may cost."""

    @property
    def jobs(self) -> Path:
        """One folder for each job."""
        return self.data / "jobs"

    @property
    def tokens(self) -> Path:
        """The hashes of the tokens."""
        return self.home.path / TOKENS_FILE
