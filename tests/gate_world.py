"""One installation with a gate, a clock that moves, people with keys, and a colleague's countersigned consent."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thsafe.consent.collect import countersign, parse_request, record_consent, request_consent
from thsafe.consent.grant import create_self_consent
from thsafe.consent.record import ConsentRecord, Reference, Scope, Terms
from thsafe.consent.store import ConsentStore
from thsafe.core.types import Json, MediaKind, MediaRef, Request, Task
from thsafe.gate import Gate, Permit
from thsafe.home import Home
from thsafe.keys.did import did_from_public_key
from thsafe.keys.ring import KeyRing
from thsafe.ledger.log import Ledger

START = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def did_of(key: Ed25519PrivateKey) -> str:
    return did_from_public_key(key.public_key())


class World:
    """What a test needs to ask a gate; ``now`` moves its clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = START
        self.home = Home(folder / "home")
        self.ring = KeyRing.create(self.home)
        self.ledger = Ledger.open(self.home, key=self.ring.log_key(), clock=self.clock)
        self.gate = self.new_gate()
        self.store = ConsentStore(self.home)
        self.portrait = self.file("portrait.png", b"a picture of the colleague")
        self.recording = self.file("phrase.wav", b"six words, spoken")
        self.colleague = Ed25519PrivateKey.generate()
        self.jobs = 0

    def clock(self) -> datetime:
        return self.now

    def new_gate(self, **options) -> Gate:
        return Gate(self.home, ledger=self.ledger, keys=self.ring, clock=self.clock, **options)

    def file(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def ref(self, path: Path | None = None, role: str = "portrait", **changes) -> MediaRef:
        path = path or self.portrait
        return MediaRef(
            **{
                "role": role,
                "path": path,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "kind": MediaKind.IMAGE,
                **changes,
            }
        )

    def request(self, **changes) -> Request:
        self.jobs += 1
        return Request(
            **{
                "task": Task.SAY,
                "engine": "embedded",
                "inputs": (self.ref(),),
                "purpose": "demonstration",
                "requester": self.ring.gate_did,
                "job_id": f"job-{self.jobs}",
                "nonce": f"nonce-{self.jobs}",
                **changes,
            }
        )

    def own_consent(self, portrait: Path | None = None, **changes) -> ConsentRecord:
        return create_self_consent(
            self.home, portrait=portrait or self.portrait, keys=self.ring, clock=self.clock, **changes
        )

    def terms(self, scope: dict[str, Json] | None = None, **changes) -> Terms:
        return Terms(
            **{
                "licensee": self.ring.gate_did,
                "scope": Scope(
                    **{
                        "modes": ("say", "animate", "lipsync", "drive", "swap", "puppet"),
                        "purposes": ("demonstration", "advertising", "training-video"),
                        "uses_text": "Short product videos in which I speak the text that marketing writes.",
                        **(scope or {}),
                    }
                ),
                "references": (Reference(role="portrait", sha256=self.ref().sha256),),
                "valid_from": START - timedelta(days=1),
                "valid_until": START + timedelta(days=365),
                **changes,
            }
        )

    def consent(
        self,
        *,
        collector: Ed25519PrivateKey | None = None,
        signers: Sequence[Ed25519PrivateKey] | None = None,
        scope: dict[str, Json] | None = None,
        keep: bool = True,
        **changes,
    ) -> ConsentRecord:
        """The colleague's consent, through request, record and countersignature; kept in the store."""
        collector = collector or self.ring.gate_key()
        request = request_consent(
            self.terms(scope, **changes), self.ring.gate_key(), collector=did_of(collector), now=self.now
        )
        signed = record_consent(
            parse_request(request), list(signers or [self.colleague]), now=self.now, recording=self.recording
        )
        record = countersign(signed, collector, now=self.now, recording=self.recording)
        if keep:
            self.store.add(record)
        return record

    def ask(self, request: Request | None = None, consents: Sequence[Path | ConsentRecord] = ()) -> Permit:
        return self.gate.ask(request or self.request(), consents)

    def last_event(self) -> dict[str, Json]:
        return dict(self.ledger.entry(self.ledger.size - 1).event)
