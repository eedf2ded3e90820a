"""Reading credentials: what they say, who signed, and what that is worth.

Nothing is fetched, no identity is resolved, no host is reached; the verdict is our own
(``thsafe.provenance.ladder``).
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import c2pa

from thsafe.core.clock import Clock, from_text, system_clock, to_text
from thsafe.core.errors import InputError
from thsafe.core.types import Json
from thsafe.provenance import ladder, sdk
from thsafe.provenance.ladder import Ladder
from thsafe.provenance.manifest import GATE_LABEL
from thsafe.provenance.trust import Trust, TrustKind, TrustList
from thsafe.provenance.unprotected import ByteRange, unprotected_ranges
from thsafe.provenance.validity import chain_of, validity_of, vouching_at

_MAX_STORE = 64 << 20
_MAX_DEPTH = 16
_MAX_NODES = 1000
_MAX_THUMBNAILS = 24
_MAX_THUMBNAIL = 256 << 10
_STAMP_GOOD = frozenset({"timeStamp.validated", "timeStamp.trusted"})
_TRUST_LIST_WORDS = "trust list: "
_EXPIRED = "signingCredential.expired"
_CLOCKS_DIFFER = timedelta(minutes=5)
"""Clocks of signers and readers differ a little; a file signed just now is not one from the future."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerFacts:
    """Who signed, in the certificate's words: as true as the list that vouches for it."""

    name: str
    issuer: str
    development: bool
    """It calls itself a development certificate, or is this installation's own."""
    algorithm: str = ""
    expires: str = ""
    trust_list: str = ""
    """The list that vouches for it; empty for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One step of the file's making, as claimed."""

    name: str
    """Such as ``c2pa.created``."""
    digital_source_type: str = ""
    software_agent: str = ""
    description: str = ""
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IngredientNode:
    """One input and, if it had credentials, what it was made from."""

    title: str
    relationship: str
    media_type: str
    digital_source_type: str = ""
    manifest_label: str = ""
    signer: str = ""
    claim_generator: str = ""
    failures: tuple[str, ...] = ()
    children: tuple[IngredientNode, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A small picture of an input that a manifest holds: bytes from a stranger, to be decoded with care."""

    title: str
    data: str
    """JPEG or PNG as base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The SDK's status codes for the active manifest, without duplicates."""

    success: tuple[str, ...] = ()
    informational: tuple[str, ...] = ()
    failure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Everything that reading found; for ``NONE`` and ``NOT_EVALUATED`` only the reasons."""

    state: Ladder
    reasons: tuple[str, ...]
    """Why the state is what it is, in plain sentences."""
    history_broken: bool = False
    """What was opened or placed was changed after it was signed; says nothing about this file's own bytes.

    An input that only went into a model does not count: the reasons name it.
    """
    active_label: str | None = None
    title: str = ""
    signer: SignerFacts | None = None
    signed_at: str | None = None
    """The time stamp's time, RFC 3339; a claim of the stamper unless ``time_stamped``."""
    time_stamped: bool = False
    """An authority on a list for time stamps vouches for ``signed_at``."""
    claim_generator: str = ""
    actions: tuple[Action, ...] = ()
    digital_source_types: tuple[str, ...] = ()
    ingredients: tuple[IngredientNode, ...] = ()
    soft_bindings: Mapping[str, str] = field(default_factory=dict)
    """Algorithm to value."""
    gate: Mapping[str, Json] | None = None
    """The ``io.github.thsafe.gate`` assertion."""
    codes: Codes = field(default_factory=Codes)
    unprotected: tuple[ByteRange, ...] = ()
    thumbnails: tuple[Thumbnail, ...] = ()
    """Of the inputs, a few and none that is large."""
    raw: Mapping[str, Json] = field(default_factory=dict)
    """The SDK's report."""
    crjson: Mapping[str, Json] = field(default_factory=dict)
    """The same as C2PA crJSON, which conformance checks read."""


def read_credentials(
    path: Path,
    *,
    trust: Trust,
    manifest_bytes: bytes | None = None,
    media_type: str | None = None,
    clock: Clock = system_clock,
) -> Credentials:
    """Read and judge a file's credentials, or those in ``manifest_bytes`` against the file.

    Certificates and time stamps are judged as of the clock's moment; the SDK's own report, which ``raw`` and ``crjson``
    pass on, is always as of now.

    Raises:
        InputError: the file cannot be opened.
        ValueError: the trust lists cannot be used.
    """
    if not path.is_file():
        raise InputError("The file does not exist.", code="input.missing", found=path.name)
    if manifest_bytes is not None and len(manifest_bytes) > _MAX_STORE:
        return _unread(Ladder.NOT_EVALUATED, f"the manifest store is larger than {_MAX_STORE >> 20} MiB")
    context = sdk.context(sdk.reading_settings(trust.sdk_anchors()))
    try:
        with sdk.reading(), ExitStack() as stack:
            stream = stack.enter_context(path.open("rb"))
            reader = stack.enter_context(c2pa.Reader(media_type, stream, manifest_data=manifest_bytes, context=context))
            report = json.loads(reader.json())
            crjson = json.loads(reader.crjson())
            then = _Then(moment=clock(), trust=trust, reader=reader)
            return replace(_judge(path, report, crjson, then), thumbnails=_thumbnails(reader, report))
    except sdk.NoCredentials:
        return _unread(Ladder.NONE, "no credentials in the file: that says nothing about where it is from")
    except sdk.RemoteOnly:
        return _unread(Ladder.NOT_EVALUATED, "the credentials are kept elsewhere and were not fetched")
    except sdk.Unsupported:
        return _unread(Ladder.NOT_EVALUATED, "this kind of file cannot be searched for credentials")
    except sdk.Malformed as problem:
        if _looks_signed(path) or manifest_bytes is not None:
            return _unread(Ladder.BROKEN, f"what should be the credentials cannot be read: {problem}")
        return _unread(Ladder.NOT_EVALUATED, f"the file's structure cannot be read: {problem}")


def _thumbnails(reader: c2pa.Reader, report: Json) -> tuple[Thumbnail, ...]:
    found: list[Thumbnail] = []
    for manifest in report["manifests"].values():
        for item in manifest.get("ingredients") or []:
            address = (item.get("thumbnail") or {}).get("identifier")
            if not address or len(found) == _MAX_THUMBNAILS:
                continue
            data = io.BytesIO()
            with suppress(c2pa.C2paError):  # named, but not there
                reader.resource_to_stream(str(address), data)
            if 0 < data.tell() <= _MAX_THUMBNAIL:
                picture = base64.b64encode(data.getvalue()).decode()
                found.append(Thumbnail(title=str(item.get("title") or ""), data=picture))
    return tuple(found)


def _unread(state: Ladder, reason: str) -> Credentials:
    return Credentials(state=state, reasons=(reason,))


def _looks_signed(path: Path) -> bool:
    """Whether the file holds the marks of a manifest store (JUMBF superbox with the ``c2pa`` label)."""
    tail = b""
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            joined = tail + block
            if b"jumb" in joined and b"c2pa" in joined:
                return True
            tail = joined[-4096:]
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Then:
    """The moment that a reading is for, and what it takes to look at a certificate as of then."""

    moment: datetime
    trust: Trust
    reader: c2pa.Reader

    def vouching(self, label: str) -> TrustList | None:
        """The list behind a signer at that moment, found without the SDK."""
        store = io.BytesIO()
        try:
            # Asked for any part of a manifest, the SDK hands out the whole store.
            self.reader.resource_to_stream(f"self#jumbf=/c2pa/{label}", store)
            return vouching_at(chain_of(store.getvalue(), label), self.trust, self.moment)
        except (c2pa.C2paError, ValueError):
            return None


def _judge(path: Path, report: Json, crjson: Json, then: _Then) -> Credentials:
    trust = then.trust
    label = str(report["active_manifest"])
    manifests = report["manifests"]
    active = manifests[label]
    results = report.get("validation_results") or {}
    own = results.get("activeManifest") or {}
    codes = Codes(**{kind: _codes(own.get(kind)) for kind in ("success", "informational", "failure")})
    detail: Json = next((item for item in crjson["manifests"] if item.get("label") == label), {})
    signed_at = active.get("signature_info", {}).get("time")
    vouching_stamp = _stamp_list(own.get("success"), trust)
    vouching = trust.claim_list(results.get("trustListUri")) if "signingCredential.trusted" in codes.success else None
    begins, ends = validity_of((detail.get("signature") or {}).get("certificateInfo"))
    valid_then = bool(begins and ends) and from_text(begins) <= then.moment <= from_text(ends)
    if _EXPIRED in codes.failure and valid_then and vouching_stamp is None:
        # Expired by the SDK's clock, not at the moment that is asked about.
        vouching = then.vouching(label)
        gone = {_EXPIRED, "claimSignature.outsideValidity", *(["signingCredential.untrusted"] if vouching else [])}
        codes = replace(codes, failure=tuple(code for code in codes.failure if code not in gone))
    signer = _signer(active, detail, vouching)
    stamp_troubles = [
        code
        for code in (*codes.informational, *codes.failure)
        if code.startswith("timeStamp.") and code not in _STAMP_GOOD
    ]
    stamped = from_text(str(signed_at)) if vouching_stamp is not None and signed_at else None
    state, reasons = _state(codes, vouching, detail, stamped=stamped, now=then.moment, valid=valid_then)

    if stamp_troubles and vouching_stamp is None:
        reasons = (*reasons, "the time stamp proves nothing: " + ", ".join(stamp_troubles))

    nodes = _Tree(manifests)
    ingredients = nodes.children(active, depth=0, above=frozenset({label}))
    for delta in results.get("ingredientDeltas") or []:
        nodes.note_delta(delta)
    broken, fed = _changes(nodes.failures), _changes(nodes.inputs)
    if broken:
        reasons = (*reasons, "an ancestor was changed after it was signed: " + ", ".join(broken))
    if fed:
        reasons = (*reasons, "an input of the making was changed after it was signed: " + ", ".join(fed))
    actions = _actions(active)
    unprotected = unprotected_ranges(path, active.get("assertions", []))
    reasons += tuple(f"bytes {r.start} to {r.end} ({r.name}): {r.remark}" for r in unprotected if r.remark)
    types = [action.digital_source_type for action in actions if action.digital_source_type]
    # What was opened comes from where its ingredient says; nothing else in this manifest tells.
    types += [node.digital_source_type for node in ingredients if node.relationship == "parentOf"]
    return Credentials(
        state=state,
        reasons=reasons,
        history_broken=bool(broken),
        active_label=label,
        title=str(active.get("title", "")),
        signer=signer,
        signed_at=str(signed_at) if signed_at else None,
        time_stamped=vouching_stamp is not None,
        claim_generator=_generator(active),
        actions=actions,
        digital_source_types=tuple(dict.fromkeys(filter(None, types))),
        ingredients=ingredients,
        soft_bindings=soft_bindings_of(active),
        gate=next((item["data"] for item in _assertions(active, GATE_LABEL)), None),
        codes=codes,
        unprotected=unprotected,
        raw=report,
        crjson=crjson,
    )


def _state(
    codes: Codes,
    vouching: TrustList | None,
    detail: Json,
    *,
    stamped: datetime | None,
    now: datetime,
    valid: bool,
) -> tuple[Ladder, tuple[str, ...]]:
    changed = [code for code in codes.failure if ladder.is_change(code)]
    if changed:
        return Ladder.BROKEN, ("changed after signing: " + ", ".join(changed),)
    unknown = [code for code in codes.failure if not ladder.is_trust(code) and not ladder.is_side_note(code)]
    if unknown:
        return Ladder.NOT_EVALUATED, ("the check stopped at: " + ", ".join(unknown),)
    update = bool(detail.get("isUpdateManifest"))
    if "claimSignature.validated" not in codes.success or not (ladder.proves_binding(codes.success) or update):
        return Ladder.NOT_EVALUATED, ("signature or content hash was not checked",)
    doubts = [code for code in codes.failure if ladder.is_trust(code)]
    if stamped is not None and stamped > now + _CLOCKS_DIFFER:
        doubts.append(f"a trusted time stamp says that it was signed later, {to_text(stamped)}")
    # The SDK lets a stamp from any anchor prove that an expired certificate was valid; only a time-stamp list may.
    if not valid and stamped is None:
        doubts.append("certificate expired or not valid yet, and no trusted time stamp says that it signed in its time")
    if vouching is None or doubts:
        why = ", ".join(dict.fromkeys(doubts)) or "the signer is on no list for claim signers"
        return Ladder.INTACT_UNKNOWN_SIGNER, (f"unchanged since signing, by an unknown signer: {why}",)
    state = {
        TrustKind.C2PA: Ladder.INTACT_TRUSTED,
        TrustKind.LEGACY: Ladder.INTACT_LEGACY_LIST,
        TrustKind.DEVELOPMENT: Ladder.INTACT_DEVELOPMENT,
    }[vouching.kind]
    return state, (f"unchanged since signing; the signer is on the list: {vouching.name}",)


def _changes(codes: list[str]) -> list[str]:
    return sorted({code for code in codes if ladder.is_change(code)})


def _codes(entries: Json) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(entry.get("code", "")) for entry in entries or [] if isinstance(entry, dict)))


def _stamp_list(successes: Json, trust: Trust) -> TrustList | None:
    for entry in successes or []:
        if entry.get("code") == "timeStamp.trusted":
            # The list is named in the explanation only.
            _, found, uri = str(entry.get("explanation", "")).rpartition(_TRUST_LIST_WORDS)
            return trust.stamp_list(uri.strip()) if found else None
    return None


def _signer(active: Json, detail: Json, vouching: TrustList | None) -> SignerFacts:
    info = active.get("signature_info") or {}
    certificate = (detail.get("signature") or {}).get("certificateInfo") or {}
    subject, issuer = certificate.get("subject") or {}, certificate.get("issuer") or {}
    name = str(subject.get("CN") or info.get("common_name") or subject.get("O") or info.get("issuer") or "")
    by = ", ".join(str(issuer[key]) for key in ("CN", "O") if key in issuer) or str(info.get("issuer", ""))
    own = vouching is not None and vouching.kind is TrustKind.DEVELOPMENT
    return SignerFacts(
        name=name,
        issuer=by,
        development=own or "development" in f"{name} {by}".lower(),
        algorithm=str(info.get("alg", "")),
        expires=str((certificate.get("validity") or {}).get("notAfter", "")),
        trust_list=vouching.name if vouching else "",
    )


def _generator(manifest: Json) -> str:
    infos = manifest.get("claim_generator_info") or []
    words = [f"{info.get('name', '')} {info.get('version', '')}".strip() for info in infos if isinstance(info, dict)]
    return ", ".join(word for word in words if word) or str(manifest.get("claim_generator") or "")


def _assertions(manifest: Json, label: str) -> list[Json]:
    return [
        item
        for item in manifest.get("assertions") or []
        if str(item.get("label", "")).split("__")[0] == label and isinstance(item.get("data"), dict)
    ]


def _actions(manifest: Json) -> tuple[Action, ...]:
    found = []
    for assertion in (*_assertions(manifest, "c2pa.actions.v2"), *_assertions(manifest, "c2pa.actions")):
        for action in assertion["data"].get("actions") or []:
            agent = action.get("softwareAgent") or ""
            if isinstance(agent, dict):
                agent = f"{agent.get('name', '')} {agent.get('version', '')}".strip()
            regions = [
                str(item.get("value", ""))
                for change in action.get("changes") or []
                for part in change.get("region") or []
                if isinstance(item := part.get("item"), dict)
            ]
            found.append(
                Action(
                    name=str(action.get("action", "")),
                    digital_source_type=str(action.get("digitalSourceType") or ""),
                    software_agent=str(agent),
                    description=str(action.get("description") or ""),
                    regions=tuple(regions),
                )
            )
    return tuple(found)


def soft_bindings_of(manifest: Json) -> dict[str, str]:
    """Algorithm to value of the soft bindings in one manifest of the SDK's report."""
    bindings: dict[str, str] = {}
    for assertion in _assertions(manifest, "c2pa.soft-binding"):
        data = assertion["data"]
        for block in data.get("blocks") or []:
            bindings.setdefault(str(data.get("alg", "")), str(block.get("value", "")))
    return bindings


def source_types_of(manifest: Json) -> tuple[str, ...]:
    """The last words of the digital source types that one manifest's actions name."""
    return tuple(action.digital_source_type.rpartition("/")[2] for action in _actions(manifest))


class _Tree:
    """Ingredients below a manifest, bounded: a crafted store may point in circles."""

    def __init__(self, manifests: Mapping[str, Json]) -> None:
        self._manifests = manifests
        self._nodes = 0
        self._fed: set[str] = set()
        self.failures: list[str] = []
        """Of what was opened or placed, and of their ancestors."""
        self.inputs: list[str] = []
        """Of what only went into a model, and of its ancestors."""

    def note_delta(self, delta: Json) -> None:
        """What validation found of one ingredient now that had not been found when it was taken in."""
        codes = _codes((delta.get("validationDeltas") or {}).get("failure"))
        fed = str(delta.get("ingredientAssertionURI")) in self._fed
        (self.inputs if fed else self.failures).extend(codes)

    def children(
        self, manifest: Json, *, depth: int, above: frozenset[str], fed: bool = False
    ) -> tuple[IngredientNode, ...]:
        """The nodes below one manifest, with every failure code collected on the way.

        Args:
            manifest: as the SDK reports it.
            depth: how far below the active manifest.
            above: labels of the manifests on the way here.
            fed: whether it is, or stands above, an input to a model only.
        """
        found = []
        for item in manifest.get("ingredients") or []:
            self._nodes += 1
            if self._nodes > _MAX_NODES or depth >= _MAX_DEPTH:
                self.failures.append("manifest.inaccessible")
                break
            inside = fed or str(item.get("relationship")) == "inputTo"
            if inside:
                owner = manifest.get("label") or ""
                self._fed.add(f"self#jumbf=/c2pa/{owner}/c2pa.assertions/{item.get('label')}")
            found.append(self._node(item, depth, above, fed=inside))
        return tuple(found)

    def _node(self, item: Json, depth: int, above: frozenset[str], *, fed: bool) -> IngredientNode:
        label = str(item.get("active_manifest") or "")
        failures = list(_codes(item.get("validation_status")))
        results = item.get("validation_results") or {}
        failures += _codes((results.get("activeManifest") or {}).get("failure"))
        for delta in results.get("ingredientDeltas") or []:
            failures += _codes((delta.get("validationDeltas") or {}).get("failure"))
        below = self._manifests.get(label)
        if label and (below is None or label in above):
            failures.append("ingredient.manifest.missing" if below is None else "manifest.inaccessible")
            below = None
        (self.inputs if fed else self.failures).extend(failures)
        children = () if below is None else self.children(below, depth=depth + 1, above=above | {label}, fed=fed)
        info = (below or {}).get("signature_info") or {}
        return IngredientNode(
            title=str(item.get("title") or ""),
            relationship=str(item.get("relationship") or ""),
            media_type=str(item.get("format") or ""),
            digital_source_type=str(item.get("digital_source_type") or ""),
            manifest_label=label,
            signer=str(info.get("common_name") or info.get("issuer") or ""),
            claim_generator=_generator(below) if below else "",
            failures=tuple(dict.fromkeys(failures)),
            children=children,
        )
