"""A small house with a history: outputs in every state, and a measuring port that says what the test wants."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.engine import Depiction, PolicyBundle, PolicyFacts, decide
from policies.logged import to_log
from thsafe.audit.model import LabelSeen, Measurement, Standing
from thsafe.core.errors import InputError
from thsafe.home import Home
from thsafe.ledger.log import Ledger
from thsafe.store.outputs import OutputRecord

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

BUNDLE = PolicyBundle.load()


class House:
    """Publishes files as the loop would: intent, file, output entry."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home, self.folder = Home(home), folder
        self.now = datetime(2026, 10, 1, 9, tzinfo=UTC)
        self.ledger = Ledger.open(self.home, key=Ed25519PrivateKey.from_private_bytes(b"\x07" * 32), clock=self.clock)
        self.measured: dict[Path, Measurement] = {}
        self.standings: dict[str, Standing] = {}
        folder.mkdir()

    def clock(self) -> datetime:
        self.now += timedelta(minutes=7)
        return self.now

    def intent(self, job: str, **changes):
        event = {
            "type": "intent",
            "job": job,
            "request": sha256(job.encode()).hexdigest(),
            "task": "say",
            "engine": "portrait",
            "purpose": "demonstration",
            "territories": [],
            "requester": "did:key:z6Mk",
            "inputs": [{"role": "portrait", "sha256": "aa" * 32, "kind": "image", "performer": "synthetic"}],
            "declared": {"sexual": False, "fraud": False, "election": False, "celebrity": False, "explicit": True},
            "screened": False,
            "consents": [],
        }
        event |= changes
        return self.ledger.append({**self.decision(event), **event})

    def decision(self, event) -> dict[str, object]:
        """What the gate would log beside: the facts, and what the policies make of them."""
        facts = PolicyFacts(
            task=event["task"],
            requester=event["requester"],
            job=event["request"],
            purpose=event["purpose"],
            territories=tuple(event["territories"]),
            now=self.now,
            media_intact=True,
            depictions=(Depiction(media="ada", performer="synthetic", synthetic_proof=True),),
        )
        answer = decide(BUNDLE, facts)
        return {
            "facts": to_log(facts),
            "rules": list(answer.rule_ids),
            "duties": list(answer.obligations.rule_ids),
            "policy": BUNDLE.digest,
        }

    def publish(self, name: str, *, intent: bool = True, thumbnail: bytes | None = None, **changes) -> OutputRecord:
        job = f"job-{name}"
        if intent:
            self.intent(job, **changes)
        path = self.folder / name
        path.write_bytes(f"video {name}".encode())
        digest = sha256(path.read_bytes()).hexdigest()
        record = OutputRecord(
            manifest_id=f"urn:c2pa:{name}",
            watermark_id=digest[:16],
            sha256=digest,
            essence_hash=None,
            fingerprint=None,
            manifest=b"jumbf" + name.encode(),
            media_type="video/mp4",
            created_at=self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            ledger_index=-1,
            path=str(path),
            duration=4.2,
            engine="portrait",
            task="say",
            thumbnail=thumbnail,
        )
        names = ("sha256", "manifest_id", "watermark_id")
        entry = self.ledger.append(
            {"type": "output", "job": job, **{field: getattr(record, field) for field in names}}, output=record
        )
        self.measured[path] = self.good(record)
        return replace(record, ledger_index=entry.index)

    def good(self, record: OutputRecord) -> Measurement:
        """What a file looks like that has every mark."""
        return Measurement(
            duration=record.duration,
            credentials_state="intact, trusted signer",
            credentials_intact=True,
            manifest_id=record.manifest_id,
            signer="Example Studio",
            signed_at=record.created_at,
            time_stamped=True,
            digital_source_types=(GENERATED,),
            actions=("c2pa.created",),
            software="portrait 0.1.0",
            signpost="https://example.org/verify",
            watermark_state="id",
            watermark_id=record.watermark_id,
        )

    def change(self, name: str, **changes) -> None:
        path = self.folder / name
        self.measured[path] = replace(self.measured[path], **changes)

    def measure(self, path, *, labels):
        if path not in self.measured:
            raise InputError("This is not media.", code="input.kind", next_step="-")
        seen = self.measured[path]
        if seen.labels is not None:
            return seen
        found = tuple(
            LabelSeen(label=label, present=True, height=label.height, contrast=9.0, first_seen=0.0, last_seen=4.2)
            for label in labels
            if label.text == "AI-generated"
        )
        missing = tuple(
            LabelSeen(label=label, present=False, height=0.0, contrast=0.0, first_seen=None, last_seen=None)
            for label in labels
            if label.text != "AI-generated"
        )
        return replace(seen, labels=(*found, *missing))

    def consent(self, consent_id, _at):
        return self.standings.get(consent_id, Standing(id=consent_id, state="unknown"))


@pytest.fixture
def house(home, tmp_path):
    made = House(home, tmp_path / "outputs")
    yield made
    made.ledger.close()
