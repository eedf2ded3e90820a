"""Where thsafe keeps its own things on this machine: keys, log, store, consents.

The folder is ``$THSAFE_HOME``, else the user's data folder. It is created with mode 0700. Nothing here is ever part of
an output.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from thsafe.core.errors import StoreError


@dataclass(frozen=True, slots=True)
class Home:
    """One installation's folder; every path below it has one owner module."""

    path: Path

    @classmethod
    def default(cls) -> Home:
        """``$THSAFE_HOME`` or the platform's user data folder."""
        named = os.environ.get("THSAFE_HOME")
        if named:
            return cls(Path(named).expanduser())
        from platformdirs import user_data_path

        return cls(user_data_path("thsafe", appauthor=False))

    def prepare(self) -> None:
        """Create the folder, private to this user; raises StoreError if that is impossible."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as problem:
            raise StoreError(
                f"The folder for keys and log cannot be made: {self.path}",
                code="store.home",
                found=str(problem),
                next_step="set THSAFE_HOME to a folder that you may write to",
            ) from problem

    @property
    def keys(self) -> Path:
        """Private keys, certificates and watermark keys (``thsafe.keys``)."""
        return self.path / "keys"

    @property
    def consents(self) -> Path:
        """Consent records and the vault with what must not be in them (``thsafe.consent``)."""
        return self.path / "consents"

    @property
    def models(self) -> Path:
        """Weights pulled by ``thsafe models pull`` (``thsafe.models``)."""
        return self.path / "models"

    @property
    def policies(self) -> Path:
        """Policies that the user adds to the gate's own: ``*.cedar`` files that may only forbid (``policies``)."""
        return self.path / "policies"

    @property
    def approvers(self) -> Path:
        """Who must have signed the added policies, as JSON ``{"approvers": [DID, …]}``; optional."""
        return self.path / "approvers.json"

    @property
    def engines(self) -> Path:
        """Which engines of other packages may run here (``thsafe.plugins``)."""
        return self.path / "engines.json"

    @property
    def vtube_studio(self) -> Path:
        """Tokens for VTube Studio, where the system has no keyring (``generators.live2d.token_store``)."""
        return self.path / "vtube-studio"

    @property
    def cache(self) -> Path:
        """What can be made again at any time; may be deleted."""
        return self.path / "cache"

    @property
    def unfinished(self) -> Path:
        """Marked pictures of interrupted jobs, to go on from (``thsafe.unfinished``); may be deleted."""
        return self.path / "unfinished"

    @property
    def database_url(self) -> str:
        """``$THSAFE_DB``, else one SQLite file in this folder (``thsafe.store``)."""
        return os.environ.get("THSAFE_DB") or f"sqlite:///{self.path / 'thsafe.db'}"
