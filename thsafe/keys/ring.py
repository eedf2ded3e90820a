"""All keys of one installation, in one private folder.

``KeyRing.create`` makes a development set in one atomic step; ``KeyRing.open`` reads it. Private keys are PKCS#8 PEM
in files of mode 0600 below a folder of mode 0700 and are read when they are used, not before.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from thsafe.core.clock import Clock, system_clock, to_text
from thsafe.core.errors import SigningError, UsageError
from thsafe.home import Home
from thsafe.keys import authority
from thsafe.keys.did import did_from_public_key
from thsafe.keys.lint import Problem, Use, algorithm_of, lint
from thsafe.keys.signers import PemSigner, pem_signer

_SCHEMA = "thsafe.keyring/1"
_FILES = (
    "ring.json",
    "root.pem",
    "root.key.pem",
    "claim.pem",
    "claim.key.pem",
    "tsa.pem",
    "tsa.key.pem",
    "log.key.pem",
    "gate.key.pem",
    "watermark.json",
)
_WATERMARK_KEY_BYTES = 32
_NEXT = "thsafe keys new"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """One row of ``thsafe keys list``; nothing secret."""

    name: str
    use: str
    kind: str
    fingerprint: str
    """SHA-256 of the certificate, did:key of a signing key, or the first half of a watermark key's SHA-256; of
    the public mark, which has no secret, the key itself."""
    expires: str | None = None
    """RFC 3339; None for keys that do not expire."""
    development: bool = True


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys in one folder."""

    folder: Path
    development: bool
    created: str

    @classmethod
    def open(cls, home: Home) -> KeyRing:
        """The keys of an installation.

        Raises:
            SigningError: ``keys.missing`` where there are none, ``keys.damaged`` where some are gone or unreadable.
        """
        folder = home.keys
        if not folder.is_dir():
            raise SigningError(
                "There are no keys to sign with.", code="keys.missing", found=f"no folder {folder}", next_step=_NEXT
            )
        absent = [name for name in _FILES if not (folder / name).is_file()]
        if absent:
            raise SigningError(
                f"The key folder is incomplete: {folder}",
                code="keys.damaged",
                found="absent: " + ", ".join(absent),
                next_step="restore the folder from a backup, or move it away and run: " + _NEXT,
            )
        try:
            facts = json.loads(_read(folder / "ring.json"))
            schema, development, created = (facts[name] for name in ("schema", "development", "created"))
        except (ValueError, KeyError, TypeError) as problem:
            raise _damaged(folder / "ring.json", str(problem)) from problem
        if schema != _SCHEMA:
            raise _damaged(folder / "ring.json", f"schema {schema!r}, not {_SCHEMA}")
        return cls(folder=folder, development=bool(development), created=str(created))

    @classmethod
    def create(
        cls,
        home: Home,
        *,
        organisation: str = "thsafe development",
        overwrite: bool = False,
        leaf_validity: timedelta = authority.LEAF_VALIDITY,
        clock: Clock = system_clock,
    ) -> KeyRing:
        """Make a development set of keys, complete or not at all.

        With ``overwrite`` the old folder is moved aside, not deleted. Its roots stay anchors and its watermark keys
        stay for reading, so what was made before is still recognised. Log and gate keep theirs: they are identities.

        Raises:
            SigningError: ``keys.exist`` where there are keys already and ``overwrite`` is not set.
            UsageError: the organisation's name cannot stand in a certificate.
        """
        organisation = _development_name(organisation)
        home.prepare()
        if home.keys.exists() and not overwrite:
            raise SigningError(
                "There are keys already; new ones would part this installation from its outputs.",
                code="keys.exist",
                found=str(home.keys),
                next_step="thsafe keys list",
            )
        old = cls.open(home) if home.keys.exists() else None
        now = clock()
        root = authority.make_root(organisation, now)
        files = _certificates(root, organisation, now, leaf_validity)
        files["root.key.pem"] = root.key_pem
        if old is None:
            files["root.pem"] = root.certificate_pem
            files |= {"log.key.pem": _new_ed25519(), "gate.key.pem": _new_ed25519()}
            marks = {"keys": [secrets.token_hex(_WATERMARK_KEY_BYTES)]}
        else:
            files["root.pem"] = root.certificate_pem + old.root_pem
            files |= {name: _read(old.folder / name) for name in ("log.key.pem", "gate.key.pem")}
            marks = {
                "keys": [secrets.token_hex(_WATERMARK_KEY_BYTES), *(k.hex() for k in old.watermark_keys().values())]
            }
        files["watermark.json"] = _json(marks)
        files["ring.json"] = _json(
            {"schema": _SCHEMA, "development": True, "created": to_text(now), "organisation": organisation}
        )
        _publish_folder(home.keys, files, now)
        return cls.open(home)

    @property
    def signing_chain_pem(self) -> bytes:
        """The claim signer's certificates, leaf first."""
        return _read(self.folder / "claim.pem")

    @property
    def sign_algorithm(self) -> str:
        """The claim signer's COSE algorithm, such as ``es256``."""
        return algorithm_of(_certificate(self.folder / "claim.pem"))

    @property
    def root_pem(self) -> bytes:
        """The root certificate, then any it replaced: what others import to trust this installation."""
        return _read(self.folder / "root.pem")

    @property
    def time_stamp_chain_pem(self) -> bytes:
        """The time stamper's certificates, leaf first."""
        return _read(self.folder / "tsa.pem")

    def claim_signer(self, *, clock: Clock = system_clock) -> PemSigner:
        """The claim signer; raises SigningError ``keys.unfit`` naming the field if key or certificate are unfit."""
        return pem_signer(self.signing_chain_pem, _read(self.folder / "claim.key.pem"), now=clock())

    def time_stamp_key(self) -> ec.EllipticCurvePrivateKey:
        """The time stamper's private key."""
        key = _private_key(self.folder / "tsa.key.pem")
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise _damaged(self.folder / "tsa.key.pem", f"{type(key).__name__}, not an elliptic-curve key")
        return key

    def log_key(self) -> Ed25519PrivateKey:
        """The key that signs the audit log's checkpoints."""
        return self._ed25519("log.key.pem")

    def gate_key(self) -> Ed25519PrivateKey:
        """The key that countersigns consents and challenges."""
        return self._ed25519("gate.key.pem")

    @property
    def gate_did(self) -> str:
        """The gate key's did:key."""
        return did_from_public_key(self.gate_key().public_key())

    def watermark_keys(self) -> Mapping[str, bytes]:
        """Watermark keys of 32 bytes: ``current`` first, then ``retired-N``, the newest first."""
        path = self.folder / "watermark.json"
        try:
            keys = [bytes.fromhex(text) for text in json.loads(_read(path))["keys"]]
        except (ValueError, KeyError, TypeError) as problem:
            raise _damaged(path, str(problem)) from problem
        if not keys or any(len(key) != _WATERMARK_KEY_BYTES for key in keys):
            raise _damaged(path, "no keys, or keys of another length than 32 bytes")
        names = ["current", *(f"retired-{number}" for number in range(len(keys) - 1, 0, -1))]
        return dict(zip(names, keys, strict=True))

    def rotate_watermark_key(self) -> None:
        """Mark with a new key from now on; the old ones stay for reading."""
        keys = [secrets.token_hex(_WATERMARK_KEY_BYTES), *(key.hex() for key in self.watermark_keys().values())]
        _replace(self.folder / "watermark.json", _json({"keys": keys}))

    def renew_certificates(self, *, clock: Clock = system_clock) -> None:
        """New claim and time-stamp leaves, with new keys, from the same root: what was signed keeps its anchor."""
        root_key = _private_key(self.folder / "root.key.pem")
        if not isinstance(root_key, ec.EllipticCurvePrivateKey):
            raise _damaged(self.folder / "root.key.pem", "not an elliptic-curve key")
        root = authority.Issued(certificate=_certificate(self.folder / "root.pem"), key=root_key)
        organisation = str(json.loads(_read(self.folder / "ring.json"))["organisation"])
        # The key goes first: between the two renames the lint says "key belongs to another certificate" and nothing
        # can be signed with a pair that does not match.
        for name, data in sorted(_certificates(root, organisation, clock(), authority.LEAF_VALIDITY).items()):
            _replace(self.folder / name, data)

    def describe(self) -> list[KeyFacts]:
        """What there is, for ``thsafe keys list``; nothing secret."""
        rows = [
            self._certificate_facts("root.pem", "root", "trust anchor of this installation"),
            self._certificate_facts("claim.pem", "claim", "signs C2PA claims"),
            self._certificate_facts("tsa.pem", "tsa", "signs time stamps"),
        ]
        for name, use, key in (
            ("log", "signs the audit log", self.log_key()),
            ("gate", "countersigns consents", self.gate_key()),
        ):
            did = did_from_public_key(key.public_key())
            rows.append(KeyFacts(name=name, use=use, kind="ed25519", fingerprint=did, development=self.development))
        for name, secret in self.watermark_keys().items():
            digest = hashlib.sha256(secret).hexdigest()[:32]
            use = "marks picture and sound" if name == "current" else "reads marks made before it was retired"
            kind = "32 random bytes"
            rows.append(
                KeyFacts(name=f"watermark {name}", use=use, kind=kind, fingerprint=digest, development=self.development)
            )
        return rows

    def problems(self, now: datetime) -> tuple[Problem, ...]:
        """What ``thsafe doctor`` reports: expired or unfit certificates, keys that do not fit, files open to others."""
        claim = lint(self.signing_chain_pem, _read(self.folder / "claim.key.pem"), use=Use.CLAIM, now=now)
        stamp = lint(self.time_stamp_chain_pem, _read(self.folder / "tsa.key.pem"), use=Use.TIME_STAMP, now=now)
        return (*self._open_to_others(), *claim, *stamp)

    def _open_to_others(self) -> tuple[Problem, ...]:
        found = []
        for path in (self.folder, *(self.folder / name for name in _FILES)):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                step = f"chmod go-rwx '{path}'"
                found.append(
                    Problem(
                        field=f"mode of {path.name}", found=f"{mode:04o}", rule="for this user only", next_step=step
                    )
                )
        return tuple(found)

    def _ed25519(self, name: str) -> Ed25519PrivateKey:
        key = _private_key(self.folder / name)
        if not isinstance(key, Ed25519PrivateKey):
            raise _damaged(self.folder / name, f"{type(key).__name__}, not an Ed25519 key")
        return key

    def _certificate_facts(self, file: str, name: str, use: str) -> KeyFacts:
        certificate = _certificate(self.folder / file)
        digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
        expires = to_text(certificate.not_valid_after_utc)
        kind = algorithm_of(certificate)
        return KeyFacts(
            name=name, use=use, kind=kind, fingerprint=digest, expires=expires, development=self.development
        )


def _development_name(organisation: str) -> str:
    name = " ".join(organisation.split())
    if not 1 <= len(name) <= 48 or "@" in name or not name.isprintable():
        raise UsageError(
            "The organisation's name cannot stand in a certificate.",
            code="keys.organisation",
            found=repr(organisation),
            rule="1 to 48 printable characters, an organisation and never a person's address: it is in every output",
        )
    return name if "development" in name.lower() else f"{name} development"


def _certificates(root: authority.Issued, organisation: str, now: datetime, validity: timedelta) -> dict[str, bytes]:
    claim = authority.issue_claim_signer(root, organisation, now, validity)
    stamp = authority.issue_time_stamper(root, organisation, now)
    return {
        "claim.pem": claim.certificate_pem + root.certificate_pem,
        "claim.key.pem": claim.key_pem,
        "tsa.pem": stamp.certificate_pem + root.certificate_pem,
        "tsa.key.pem": stamp.key_pem,
    }


def _new_ed25519() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _publish_folder(folder: Path, files: Mapping[str, bytes], now: datetime) -> None:
    building = Path(tempfile.mkdtemp(prefix=".keys-", dir=folder.parent))  # mkdtemp makes it 0700
    try:
        for name, data in files.items():
            _write_private(building / name, data)
        _sync_folder(building)
        if folder.exists():
            folder.rename(folder.with_name(f"keys.replaced-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"))
        building.rename(folder)
        _sync_folder(folder.parent)
    except OSError as problem:
        raise SigningError(
            f"The keys cannot be written below {folder.parent}",
            code="keys.write",
            found=str(problem),
            next_step="set THSAFE_HOME to a folder that you may write to",
        ) from problem
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _write_private(temporary, data)
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _write_private(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise _damaged(path, problem.strerror or str(problem)) from problem


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(_read(path))[0]
    except ValueError as problem:
        raise _damaged(path, str(problem)) from problem


def _private_key(path: Path) -> object:
    try:
        return load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as problem:
        raise _damaged(path, str(problem)) from problem


def _damaged(path: Path, found: str) -> SigningError:
    return SigningError(
        f"A key file is unreadable: {path}",
        code="keys.damaged",
        found=found,
        next_step="restore the folder from a backup; thsafe doctor names every problem",
    )
