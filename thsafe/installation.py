"""One installation opened: its keys, log, store and gate, together, once.

Nothing is made here except on request: ``Installation.open`` fails with the next step when there are no keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thsafe.core.types import MediaRef
from thsafe.home import Home

if TYPE_CHECKING:
    from thsafe.gate import Gate
    from thsafe.keys import KeyRing
    from thsafe.ledger.log import Ledger
    from thsafe.provenance.trust import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Keys, log and store of one home, ready for use."""

    home: Home
    ring: KeyRing
    ledger: Ledger

    @classmethod
    def open(cls, home: Home | None = None) -> Installation:
        """Open the home's keys and log.

        Raises:
            SigningError: ``keys.missing`` when no keys were made yet.
            StoreError: the database cannot be opened.
        """
        from thsafe.keys import KeyRing
        from thsafe.ledger.log import Ledger

        home = home or Home.default()
        ring = KeyRing.open(home)
        return cls(home=home, ring=ring, ledger=Ledger.open(home, key=ring.log_key()))

    @classmethod
    def open_or_none(cls, home: Home | None = None) -> Installation | None:
        """The same, or None where nothing was set up: verifying needs no keys of one's own."""
        from thsafe.core.errors import SigningError

        home = home or Home.default()
        if not home.keys.is_dir():
            return None
        try:
            return cls.open(home)
        except SigningError as problem:
            if problem.code == "keys.missing":
                return None
            raise

    def gate(self, *, synthetic_proof: Callable[[MediaRef], bool] | None = None) -> Gate:
        """The gate over this installation's consents, policies and log.

        Args:
            synthetic_proof: what shows that a picture shows nobody real; that it was drawn here, if None.
        """
        from thsafe.consent.faces import FacenetMatcher
        from thsafe.drawing import shows_nobody
        from thsafe.gate import Gate

        def proof(ref: MediaRef) -> bool:
            return shows_nobody(ref, self)

        return Gate(
            self.home,
            ledger=self.ledger,
            keys=self.ring,
            synthetic_proof=synthetic_proof or proof,
            face_matcher=FacenetMatcher.installed(self.home),
        )

    def recognised(self, ref: MediaRef) -> MediaRef:
        """An input as this installation knows it: a picture that it has drawn itself shows a synthetic performer."""
        from thsafe.drawing import shows_nobody

        return replace(ref, performer="synthetic") if ref.path is not None and shows_nobody(ref, self) else ref

    def trust(self) -> Trust:
        """Whose signatures this installation knows."""
        from thsafe.provenance.trust import Trust

        return Trust.of_home(self.home)

    def watermark_keys(self) -> Mapping[str, bytes]:
        """Every key whose marks this installation can read, the current one first."""
        return self.ring.watermark_keys()
