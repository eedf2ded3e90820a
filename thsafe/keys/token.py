"""Claim signers whose key lives in a token: smart card, USB token, HSM, or SoftHSM, through PKCS#11.

The URI is that of RFC 7512: ``pkcs11:token=NAME;object=LABEL?module-path=/path/lib.so&pin-source=env:VARIABLE``. The
PIN is read from the variable or file that ``pin-source`` names each time something is signed; it is never in the URI,
which is kept in a configuration file.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from thsafe.core.errors import MissingError, SigningError, UsageError
from thsafe.keys.lint import algorithm_of

if TYPE_CHECKING:
    from thsafe.keys.signers import ClaimSigner

_HASHES = {"es256": hashlib.sha256, "es384": hashlib.sha384, "es512": hashlib.sha512}
_RULE = "pkcs11:token=NAME;object=LABEL?module-path=/path/lib.so&pin-source=env:VARIABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSigner:
    """Signs inside the token; one session per signature."""

    algorithm: str
    chain_pem: bytes
    module: str
    token: str
    label: str
    pin_source: str

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data``; ECDSA as DER.

        Raises:
            SigningError: ``keys.token``: token or key are not there, the PIN is wrong, or the token refuses.
        """
        import pkcs11

        try:
            library = pkcs11.lib(self.module)
            with library.get_token(token_label=self.token).open(user_pin=self._pin()) as session:
                key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self.label)
                return self._signature(key, data)
        except (pkcs11.PKCS11Error, RuntimeError) as problem:
            raise SigningError(
                f'The token "{self.token}" does not sign with the key "{self.label}".',
                code="keys.token",
                found=f"{type(problem).__name__} {problem}".strip(),
                next_step=f"pkcs11-tool --module {self.module} --list-objects --login",
            ) from problem

    def _signature(self, key: Any, data: bytes) -> bytes:
        from pkcs11 import MGF, Mechanism

        if self.algorithm == "ed25519":
            return bytes(key.sign(data, mechanism=Mechanism.EDDSA))
        if self.algorithm == "ps256":
            # RFC 8230 §2: salt as long as the hash.
            scheme = (Mechanism.SHA256, MGF.SHA256, 32)
            return bytes(key.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=scheme))
        plain = bytes(key.sign(_HASHES[self.algorithm](data).digest(), mechanism=Mechanism.ECDSA))
        half = len(plain) // 2
        return encode_dss_signature(int.from_bytes(plain[:half], "big"), int.from_bytes(plain[half:], "big"))

    def _pin(self) -> str:
        kind, _, name = self.pin_source.partition(":")
        try:
            found = os.environ.get(name, "") if kind == "env" else Path(self.pin_source).read_text().strip()
        except OSError as problem:
            raise SigningError(
                "The token's PIN cannot be read.", code="keys.pin", found=problem.strerror or str(problem)
            ) from problem
        if not found:
            raise SigningError(
                "The token's PIN is not there.",
                code="keys.pin",
                found=f"{self.pin_source} is unset or empty",
                next_step=f"export {name}=…" if kind == "env" else f"write the PIN to {self.pin_source}",
            )
        return found


def open_token_signer(uri: str, chain_pem: bytes) -> ClaimSigner:
    """The signer of a PKCS#11 URI.

    Raises:
        UsageError: ``keys.uri``: a part is missing, or a PIN stands in it.
        MissingError: ``keys.pkcs11``: python-pkcs11 or the token's module is not installed.
    """
    parts = urlsplit(uri)
    path = dict(item.partition("=")[::2] for item in parts.path.split(";"))
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    lacking = [name for name in ("token", "object") if not path.get(name)]
    lacking += [name for name in ("module-path", "pin-source") if not query.get(name)]
    if lacking or "pin-value" in query:
        raise UsageError(
            "The PKCS#11 URI is not complete." if lacking else "A PIN does not belong into a URI that is kept.",
            code="keys.uri",
            found="lacking " + ", ".join(lacking) if lacking else "pin-value",
            rule=_RULE,
            next_step="see docs/howto/own-certificate.md",
        )
    try:
        import pkcs11  # noqa: F401 - whether it is there
    except ImportError as problem:
        raise MissingError(
            "Keys in tokens need python-pkcs11.", code="keys.pkcs11", next_step='pip install "thsafe[hsm]"'
        ) from problem
    if not Path(query["module-path"]).is_file():
        raise MissingError(
            "The token's PKCS#11 module is not there.",
            code="keys.pkcs11",
            found=query["module-path"],
            next_step="install the token's driver and name its library as module-path",
        )
    return TokenSigner(
        algorithm=algorithm_of(x509.load_pem_x509_certificates(chain_pem)[0]),
        chain_pem=chain_pem,
        module=query["module-path"],
        token=unquote(path["token"]),
        label=unquote(path["object"]),
        pin_source=query["pin-source"],
    )
