"""Fuzz the reading of consents: ``python fuzz/consent_documents.py CORPUS [libFuzzer options]``.

Whatever bytes stand where a request, record, presentation, withdrawal, status list or wallet's presentation should be,
reading them answers with what they say or with an InputError, and nothing that was not signed counts as signed. The
corpus is made here with keys of the moment.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thsafe.consent import proof
from thsafe.consent.collect import missing_signers, parse_request, phrase_fits, request_consent
from thsafe.consent.files import parse_object
from thsafe.consent.present import holder_of, present, presented_record
from thsafe.consent.record import ConsentRecord, Reference, Scope, Terms, build
from thsafe.consent.status import bits_of, make_list, new_entries, parse_list
from thsafe.consent.wallet import read_wallet
from thsafe.consent.words import in_words
from thsafe.core.canonical import canonical_digest
from thsafe.core.errors import ConsentRefused, InputError
from thsafe.keys.did import did_from_public_key

JOB = "ab" * 32


def prepare() -> tuple[Callable[[bytes], None], list[bytes]]:
    """The function to fuzz, and genuine documents to begin with."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    person, licensee = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    me, gate = did_from_public_key(person.public_key()), did_from_public_key(licensee.public_key())
    terms = Terms(
        licensee=gate,
        scope=Scope(modes=("say",), purposes=("testing",), uses_text="What a fuzzer reads.", max_uses=3),
        references=(Reference(role="portrait", sha256="cd" * 32),),
        valid_from=now,
        valid_until=now + timedelta(days=9),
    )
    unsigned = build(terms, subject=me, collector=gate, assurance="self", status=new_entries(gate))
    document = proof.sign(proof.sign(unsigned, person, created=now), licensee, created=now)
    shown = present(ConsentRecord.parse(document), licensee, job=JOB, gate=gate, created=now)
    listed = make_list(licensee, "revocation", bits_of([7]), now=now)
    asked = request_consent(terms, licensee, collector=gate, now=now)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": _b64(person.public_key().public_bytes_raw())}
    header = _b64(b'{"alg":"EdDSA","typ":"dc+sd-jwt"}')
    payload = _b64(json.dumps({"iss": "x", "vct": "urn:eudi:pid:1", "exp": 2**32, "cnf": {"jwk": jwk}}).encode())
    unbound = (
        f"{header}.{payload}.{_b64(person.sign(f'{header}.{payload}'.encode()))}~{_b64(b'[]')}~{header}.{header}.x"
    )
    genuine = {_core(item) for item in (document, shown, listed, asked)}

    def one_input(data: bytes) -> None:
        with contextlib.suppress(ConsentRefused):
            read_wallet(data, issuer_key=jwk, nonce=JOB, audience=gate, now=now)
            raise AssertionError("a wallet's presentation was accepted that nobody made")
        try:
            given = parse_object(data, "document", "fuzz")
        except InputError:
            return
        if proof.verified(given) and _core(given) not in genuine:
            raise AssertionError("a signature was accepted for what nobody signed")
        for read in (_record, _request, _presentation, parse_list):
            try:
                read(given)
            except InputError:
                continue

    def _presentation(given: dict[str, object]) -> None:
        presented_record(given)
        if holder_of(given, job=JOB, gate=gate) and _core(given) not in genuine:
            raise AssertionError("a presentation was accepted that nobody made")

    return one_input, [*(json.dumps(item).encode() for item in (document, shown, listed, asked)), unbound.encode()]


def _record(given: dict[str, object]) -> None:
    record = ConsentRecord.parse(given)
    record.summary()
    in_words(record.terms)
    missing_signers(record)
    phrase_fits(record)


def _request(given: dict[str, object]) -> None:
    in_words(parse_request(given).terms)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _core(document: dict[str, object]) -> str:
    """What was signed, without the signatures."""
    return canonical_digest({name: value for name, value in document.items() if name != "proof"})


def main() -> None:
    """Let libFuzzer run."""
    import atheris

    one_input, corpus = prepare()
    folder = Path(next((word for word in sys.argv[1:] if not word.startswith("-")), "build/fuzz/consents"))
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(corpus):
        (folder / f"genuine-{number}").write_bytes(data)
    atheris.instrument_all()
    atheris.Setup(sys.argv if len(sys.argv) > 1 else [*sys.argv, str(folder)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
