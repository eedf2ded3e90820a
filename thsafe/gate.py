"""The only maker of a permit: consent evidence, then policy, then the audit log, for every job without exception."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from policies.engine import (
    ConsentFacts,
    Declaration,
    Depiction,
    PolicyAnswer,
    PolicyBundle,
    PolicyFacts,
    Reason,
    ask_cedar,
    decide,
)
from policies.logged import to_log
from thsafe.consent.collectors import trusted_collectors
from thsafe.consent.find import Candidate, named, nearby
from thsafe.consent.grant import GateKeys
from thsafe.consent.match import FaceMatcher, MediaMatch, match_media
from thsafe.consent.present import present
from thsafe.consent.record import ConsentRecord
from thsafe.consent.refusal import Finding, name_of, refusal
from thsafe.consent.revoke import accept, marked_bits, withdraw, withdrawn
from thsafe.consent.store import ConsentStore
from thsafe.consent.verify import consent_facts
from thsafe.core.clock import Clock, system_clock, to_text
from thsafe.core.errors import ConsentRefused, StoreError
from thsafe.core.types import LENT_VOICE, Decision, Json, MediaKind, MediaRef, Request, Task
from thsafe.home import Home
from thsafe.permit import PERMIT_TERM, Permit, intact, make_permit, verify_inputs
from thsafe.rulebook import policies_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["PERMIT_TERM", "Gate", "LedgerPort", "LogEntry", "Permit", "verify_inputs"]

_SKEW: Final = timedelta(seconds=2)
"""The tolerance that the log itself allows between clocks."""

_DRIVEN: Final = frozenset({Task.DRIVE, Task.SAY, Task.ANIMATE, Task.PUPPET})
"""Tasks in which the input ``driver`` lends movement and is not seen."""


class LogEntry(Protocol):
    """What the log answers."""

    @property
    def index(self) -> int:
        """The entry's place in the log."""


class LedgerPort(Protocol):
    """The part of the audit log that the gate needs."""

    def append(self, event: Mapping[str, Json], *, uses: Mapping[str, int | None] | None = None) -> LogEntry:
        """Write one event durably, counting uses in the same transaction.

        Raises:
            ConsentRefused: ``consent.uses``: one of ``uses`` has reached its number. Nothing was written.
        """

    def uses(self, consent_id: str) -> int:
        """How often something was counted."""

    def last_time(self) -> datetime | None:
        """The time of the newest entry."""


class Gate:
    """Asks consent, policy and log, in that order, and answers with a permit or an error that says all."""

    def __init__(
        self,
        home: Home,
        *,
        ledger: LedgerPort,
        keys: GateKeys,
        bundle: PolicyBundle | None = None,
        clock: Clock = system_clock,
        synthetic_proof: Callable[[MediaRef], bool] | None = None,
        screen: Callable[[Request], frozenset[str]] | None = None,
        face_matcher: FaceMatcher | None = None,
    ) -> None:
        """Wire a gate.

        Args:
            home: the installation.
            ledger: the audit log.
            keys: the installation's keys; the gate key presents bare records whose licensee it is.
            bundle: the policies; the package's own and those that the home adds if None.
            clock: the time.
            synthetic_proof: whether a picture provably shows nobody real; without it nothing is proven.
            screen: classifiers where they are installed: which of ``sexual``, ``fraud``, ``election``, ``celebrity``
                they find in a job.
            face_matcher: compares faces where its weights are installed; without it only exact bytes match.

        Raises:
            PolicyRefused: the bundle is unsound.
        """
        self._home = home
        self._store = ConsentStore(home)
        self._ledger = ledger
        self._keys = keys
        self._did = keys.gate_did
        self._bundle = bundle or policies_of(home)
        self._clock = clock
        self._synthetic_proof = synthetic_proof
        self._screen = screen
        self._face_matcher = face_matcher

    @property
    def did(self) -> str:
        """The gate's DID: the domain of presentations made for it."""
        return self._did

    def ask(self, request: Request, consents: Sequence[Path | ConsentRecord] = ()) -> Permit:
        """Decide one job.

        Consents are looked for in ``consents``, beside each input (``<stem>.consent.json``), in ``THSAFE_CONSENT``
        (paths, separated as in PATH) and in the consent store by the input's digest.

        Args:
            request: the job, complete.
            consents: consent records, or files with records or presentations.

        Raises:
            ConsentRefused: consent is missing or does not reach this job.
            PolicyRefused: a rule forbids the job, whoever consents.
            InputError: an input or a consent file cannot be read.
            UsageError: the declaration in ``params`` cannot be read.
        """
        now = self._clock()
        digest = request.digest()
        self._renew_statuses(now)
        facts = self._job_facts(request, digest, now)
        offered = named(consents)
        findings = [
            self._find(ref, request, facts, offered) for ref in request.inputs if _shows_somebody(ref, request.task)
        ]
        facts = replace(facts, depictions=tuple(finding.depiction for finding in findings))
        answer = decide(self._bundle, facts)
        event = self._event(request, digest, facts, answer, findings)
        if not answer.allowed:
            self._refuse(event, answer.reasons, findings)
        uses: dict[str, int | None] = {
            finding.candidate.record.id: finding.candidate.record.terms.scope.max_uses
            for finding in findings
            if finding.candidate is not None and finding.depiction.consent.present
        }
        # The job's own digest is good for one permit: a replayed request, with whatever presentation, is refused.
        uses[f"job:{digest}"] = 1
        try:
            entry = self._ledger.append(
                {**event, "type": "intent", "duties": list(answer.obligations.rule_ids)}, uses=uses
            )
        except ConsentRefused as problem:
            self._refuse(event, (self._exhausted(digest, findings, problem),), findings)
        decision = Decision(
            allowed=True,
            rule_ids=answer.rule_ids,
            reasons=(),
            obligations=answer.obligations,
            policy_digest=self._bundle.digest,
            consent_ids=tuple(event["consents"][n]["id"] for n in range(len(event["consents"]))),
            at=to_text(now),
        )
        digests = tuple(item["digest"] for item in event["consents"])
        return make_permit(digest, decision, digests, entry.index, now + PERMIT_TERM)

    def withdraw(
        self, record: ConsentRecord, key: Ed25519PrivateKey, *, purpose: str = "revocation", lift: bool = False
    ) -> dict[str, Json]:
        """Revoke or suspend a consent, or lift a suspension, in effect from the next question on.

        Args:
            record: the consent.
            key: of the person, guardian, estate or collector.
            purpose: ``revocation`` or ``suspension``.
            lift: end a suspension.

        Returns:
            The signed statement, for a collector elsewhere.

        Raises:
            ConsentRefused: ``consent.not-yours`` or ``consent.final``.
        """
        statement = withdraw(self._store, record, key, now=self._clock(), purpose=purpose, lift=lift)
        self._log_withdrawal(record, purpose, lift=lift)
        self._renew_statuses(self._clock())
        return statement

    def accept_withdrawal(self, record: ConsentRecord, statement: Mapping[str, Json]) -> None:
        """The same, by a statement that was signed elsewhere.

        Raises:
            InputError: ``consent.malformed``.
            ConsentRefused: ``consent.not-yours`` or ``consent.older``.
        """
        accept(self._store, record, statement)
        self._log_withdrawal(record, statement["purpose"], lift=statement["lift"])
        self._renew_statuses(self._clock())

    def renew_statuses(self) -> None:
        """Sign this installation's own status lists anew where needed, as every question does."""
        self._renew_statuses(self._clock())

    def _log_withdrawal(self, record: ConsentRecord, purpose: str, *, lift: bool) -> LogEntry:
        final = {_revoked(record): None} if purpose == "revocation" else None
        kind = "consent.revoked" if final else "consent.resumed" if lift else "consent.suspended"
        return self._ledger.append({"type": kind, "consent": record.id, "consent_digest": record.digest}, uses=final)

    def _renew_statuses(self, now: datetime) -> None:
        """Sign this installation's own status lists anew where needed.

        A revocation is written to the log when it is first seen: from then on neither an old list nor a deleted
        statement brings the consent back.
        """
        for item in withdrawn(self._store, self.did):
            if item.purpose == "revocation" and not self._ledger.uses(_revoked(item.record)):
                self._log_withdrawal(item.record, item.purpose, lift=False)
        self._store.statuses.renew(self._keys.gate_key(), marked_bits(self._store, self.did), now=now)

    def _job_facts(self, request: Request, digest: str, now: datetime) -> PolicyFacts:
        last = self._ledger.last_time()
        return PolicyFacts(
            task=str(request.task),
            requester=request.requester,
            job=digest,
            purpose=request.purpose,
            territories=request.territories,
            language=request.language,
            channel=request.channel,
            now=now,
            last_logged=datetime.fromtimestamp(0, UTC) if last is None else last - _SKEW,
            media_intact=all(intact(ref) for ref in request.inputs),
            named_model=_names_a_person(request),
            screened_out=self._screen(request) if self._screen is not None else frozenset(),
            declared=Declaration.from_params(request.params),
            media=_media_of(request),
        )

    def _find(self, ref: MediaRef, request: Request, facts: PolicyFacts, offered: Sequence[Candidate]) -> Finding:
        """The consent that serves an input best: the first that policy allows, else the one with fewest faults."""
        # Only a model may be stated to be nobody's likeness: pictures and films show people, whatever is said of them.
        stated = ref.performer == "puppet" and ref.kind is not MediaKind.MODEL
        bare = Depiction(
            media=name_of(ref),
            performer="person" if stated else ref.performer,
            lends_voice=ref.role == LENT_VOICE,
            synthetic_proof=(
                ref.performer == "synthetic" and self._synthetic_proof is not None and self._synthetic_proof(ref)
            ),
        )
        best = Finding(ref=ref, depiction=bare, candidate=None, match=None)
        if bare.performer != "person":
            return best
        fewest: int | None = None
        candidates = [*offered, *nearby(ref, self._store)]
        for candidate in candidates:
            match = match_media(ref, candidate.record, self._face_matcher)
            consent = self._evidence(candidate, request, facts, match)
            depiction = replace(bare, consent=consent)
            finding = Finding(ref=ref, depiction=depiction, candidate=candidate, match=match)
            if len(candidates) == 1:
                return finding
            allowed, failed = ask_cedar(self._bundle, facts.task, facts.context(depiction), facts.requester, facts.job)
            if allowed:
                return finding
            if fewest is None or len(failed) < fewest:
                fewest, best = len(failed), finding
        return best

    def _evidence(self, candidate: Candidate, request: Request, facts: PolicyFacts, match: MediaMatch) -> ConsentFacts:
        presentation = candidate.presentation
        if presentation is None:
            # The licensee of this installation is its gate key; a record for anyone else must come presented.
            presentation = present(
                candidate.record, self._keys.gate_key(), job=facts.job, gate=self.did, created=facts.now
            )
        return consent_facts(
            candidate.record,
            presentation=presentation,
            job=facts.job,
            gate=self.did,
            requester=request.requester,
            collectors=trusted_collectors(self._home),
            media_match=match.matches,
            uses=self._ledger.uses(candidate.record.id),
            revoked=self._ledger.uses(_revoked(candidate.record)) > 0,
            statuses=self._store.statuses,
            now=facts.now,
        )

    def _event(
        self,
        request: Request,
        digest: str,
        facts: PolicyFacts,
        answer: PolicyAnswer,
        findings: Sequence[Finding],
    ) -> dict[str, Json]:
        """What the log keeps of a question: digests, ids and the words of closed vocabularies."""
        return {
            "job": request.job_id,
            "request": digest,
            "task": str(request.task),
            "engine": request.engine,
            **_weights(request),
            "purpose": request.purpose[:40],
            "territories": [code[:10] for code in request.territories[:400]],
            "inputs": [ref.facts() for ref in request.inputs],
            "requester": request.requester,
            "declared": {
                "sexual": facts.declared.sexual,
                "fraud": facts.declared.fraud,
                "election": facts.declared.election,
                "celebrity": facts.declared.celebrity,
                "explicit": "declared" in request.params,
            },
            "screened": self._screen is not None,
            "consents": [
                {
                    "id": finding.candidate.record.id,
                    "digest": finding.candidate.record.digest,
                    "assurance": finding.candidate.record.assurance,
                    **({"match": ""} if finding.match is None else finding.match.facts()),
                    "input": finding.ref.role,
                }
                for finding in findings
                if finding.candidate is not None
            ],
            "facts": to_log(facts),
            "rules": list(answer.rule_ids),
            "policy": self._bundle.digest,
        }

    def _exhausted(self, digest: str, findings: Sequence[Finding], problem: ConsentRefused) -> Reason:
        """Tell a replayed job from a consent that a parallel job has just used up."""
        if self._ledger.uses(f"job:{digest}"):
            return Reason(
                id="consent.replay",
                words="This very job was approved before; an approval serves once.",
                next_step="ask again with a new job (a new nonce)",
                file="10-consent.cedar",
            )
        note = self._bundle.notes["consent.uses"]
        media = ", ".join(finding.depiction.media for finding in findings)
        return Reason(
            id="consent.uses",
            words=note.words.replace("{media}", media),
            next_step=problem.next_step or note.next_step,
            file=note.file,
            rule=note.rule,
        )

    def _refuse(self, event: Mapping[str, Json], reasons: Sequence[Reason], findings: Sequence[Finding]) -> NoReturn:
        """Log the refusal and raise it with every reason."""
        try:
            entry = self._ledger.append({**event, "type": "refusal", "rules": [reason.id for reason in reasons]})
        except StoreError as problem:
            # A clock that runs behind the log stops the log too; what the person must hear is the gate's reason.
            if not any(reason.id == "clock.rollback" for reason in reasons):
                raise
            raise refusal(reasons, findings, log=f"not logged ({problem.code}); nothing was written") from problem
        raise refusal(reasons, findings, log=f"event {entry.index}; nothing was written")


def _revoked(record: ConsentRecord) -> str:
    """The name under which the log counts revocations of a record."""
    return f"revoked:{record.id}"


def _shows_somebody(ref: MediaRef, task: Task) -> bool:
    """Whether an input may put somebody's picture into the output: every picture and film but a driver's."""
    if ref.kind in {MediaKind.AUDIO, MediaKind.TEXT}:
        return ref.role not in {"voice", "text", "driver"}
    return not (ref.role == "driver" and task in _DRIVEN)


def _weights(request: Request) -> dict[str, Json]:
    """Whose weights will draw, and whether their licence was accepted: named by the engines that use any."""
    if "model" not in request.params:
        return {}
    licence = {"licence": str(request.params["model_licence"])[:200]} if "model_licence" in request.params else {}
    return {
        "weights": {
            "model": str(request.params["model"])[:40],
            "sha256": str(request.params.get("weights_sha256", ""))[:64],
            "noncommercial_accepted": request.params.get("accepted_noncommercial") is True,
            **licence,
        }
    }


def _media_of(request: Request) -> str:
    """What kind of file comes out: labelled media keep theirs, all else is film."""
    if request.task is not Task.LABEL:
        return "V"
    kinds = {ref.kind for ref in request.inputs}
    return "I" if MediaKind.IMAGE in kinds else "A" if MediaKind.AUDIO in kinds else "V"


def _names_a_person(request: Request) -> bool:
    """Whether a job picks a model made of one named person: the deep swappers, named ``author/person``.

    The word may stand anywhere: as the engine, as a parameter's name, or in a list of processors.
    """
    return any(
        "deep_swapper" in word.lower().replace("-", "_") for word in (request.engine, *_words_in(request.params))
    )


def _words_in(value: Json) -> Iterator[str]:
    """Every name and text inside a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from (str(name), *_words_in(inner))
    elif isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from _words_in(inner)
