"""The audit: log, population, marks measured again, consents, rules; in that order, each named.

What it rests on is read anew: the log is verified from its leaves, files are hashed and measured by the code that
verifies anyone's media, rules are judged by their dates. Not here: writing it down (``html``, ``export``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from hashlib import sha256
from pathlib import Path

from policies.bundle import PolicyBundle
from policies.rules import Rule
from thsafe.audit import law
from thsafe.audit.answers import Facts
from thsafe.audit.checkers import judge
from thsafe.audit.consents import standings_then
from thsafe.audit.files import Population
from thsafe.audit.findings import findings_of
from thsafe.audit.forms import odd
from thsafe.audit.model import (
    AuditedOutput,
    AuditReport,
    ConsentPort,
    FileState,
    Judgement,
    Measurement,
    MeasurePort,
    Sample,
    Standing,
    StrayFile,
    Verdict,
    readable,
)
from thsafe.audit.replay import Decisions
from thsafe.core.clock import Clock, from_text, system_clock, to_text
from thsafe.core.errors import InputError, ThsafeError, UsageError
from thsafe.core.types import Json, Progress, Silent
from thsafe.home import Home
from thsafe.ledger.log import InclusionProof, Ledger
from thsafe.ledger.note import Checkpoint
from thsafe.store.outputs import OutputRecord

LIMITS = (
    "A pass says that the file shows what the rule asks for, not that a court would agree; this is not legal advice.",
    "Marks are judged as they are in the files found here; copies elsewhere may have lost them.",
    "What happened outside this log is not seen: an output made by other means leaves no entry.",
)


def run_audit(
    home: Home,
    *,
    measure: MeasurePort,
    since: date | None = None,
    as_of: date | None = None,
    rules: tuple[str, ...] | None = None,
    folders: tuple[Path, ...] = (),
    sample: int | None = None,
    consent: ConsentPort | None = None,
    witnessed: tuple[Checkpoint, ...] = (),
    ledger: Ledger | None = None,
    policies: Sequence[PolicyBundle] = (),
    progress: Progress | None = None,
    clock: Clock = system_clock,
) -> AuditReport:
    """Audit what an installation has published.

    Args:
        home: whose log and outputs.
        measure: measures one file.
        since: first day of the period, UTC; default: from the beginning.
        as_of: the day whose law is asked; default: today.
        rules: packs (``eu``, ``us-ca``) or rule ids to judge every file by; default: what its own territories want.
        folders: where outputs are kept; files there are matched with the log both ways. Files where they were
            published are found without.
        sample: measure only so many outputs, drawn by a hash of the log; default: all.
        consent: tells how consents stand now; without it that is left open.
        witnessed: checkpoints kept outside.
        ledger: the log, if it is open already (with its key, own checkpoints are checked for their signature too).
        policies: bundles of earlier times, to ask decisions again that were made under them; the present one is known.
        progress: told how far the work is.
        clock: what is "now".

    Raises:
        UsageError: ``audit.rules``: no such rule or pack; ``audit.since``: the period has not begun.
        InputError: a folder is not there.
        StoreError: the log cannot be read.
    """
    now = clock()
    if since is not None and since > now.date():
        raise UsageError(
            "The period has not begun, so there is nothing in it to audit.",
            code="audit.since",
            found=f"--since {since}; today is {now.date()} (UTC)",
            next_step="name a day that has begun",
        )
    scope = rules or ()
    all_rules = law.load_rules()
    table = law.select(all_rules, scope)
    opened = ledger if ledger is not None else Ledger.open(home)
    try:
        return _Audit(
            ledger=opened,
            measure=measure,
            consent=consent,
            all_rules=all_rules,
            table=table,
            scope=scope,
            since=f"{since:%Y-%m-%d}T00:00:00.000Z" if since is not None else None,
            as_of=datetime.combine(as_of, time(23, 59, 59), UTC) if as_of is not None else now,
            now=now,
            bundles={bundle.digest: bundle for bundle in (PolicyBundle.load(), *policies)},
            progress=progress or Silent(),
        ).run(folders, sample, witnessed)
    finally:
        if ledger is None:
            opened.close()


@dataclass(slots=True, kw_only=True)
class _History:
    """One pass over the log: decisions by job, outputs by index, and what happened when."""

    intents: dict[str, tuple[int, Mapping[str, Json]]] = field(default_factory=dict)
    outputs: dict[int, Mapping[str, Json]] = field(default_factory=dict)
    minutes: Counter[tuple[str, str]] = field(default_factory=Counter)
    withdrawn: set[str] = field(default_factory=set)
    """Jobs whose process died between the log entry and the file's name."""
    failures: Counter[str] = field(default_factory=Counter)
    policies: set[str] = field(default_factory=set)
    odd: dict[int, str] = field(default_factory=dict)
    """Entries that have not the form of their type, and where they have it not."""
    decisions: Decisions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Audit:
    ledger: Ledger
    measure: MeasurePort
    consent: ConsentPort | None
    all_rules: tuple[Rule, ...]
    table: tuple[Rule, ...]
    """Those in scope."""
    scope: tuple[str, ...]
    since: str | None
    as_of: datetime
    now: datetime
    bundles: Mapping[str, PolicyBundle]
    progress: Progress

    def run(self, folders: Sequence[Path], sample: int | None, witnessed: tuple[Checkpoint, ...]) -> AuditReport:
        self.progress.start("log", None)
        verified = self.ledger.verify(witnessed=witnessed)
        history = self._read_history()
        self.progress.start("files", None)
        population = Population.gather(folders)
        everything = [replace(record, manifest=b"") for record in self.ledger.outputs.all()]
        known = {record.sha256 for record in everything}
        records = [record for record in everything if self._in_period(record, history)]
        chosen, drawn = _draw(records, sample, verified.root)
        self.progress.start("outputs", drawn.size)
        outputs = tuple(
            self._audit_output(
                record, history, population, known, measured=record.manifest_id in chosen, intact=verified.ok
            )
            for record in records
        )
        self.progress.start("other files", None)
        strays = tuple(self._look_at_strays(population, known, {_place_of(output.path) for output in outputs}))
        return AuditReport(
            at=to_text(self.now),
            since=self.since,
            as_of=self.as_of.date().isoformat(),
            scope=self.scope,
            folders=tuple(folders),
            tool=_tool(),
            policies=tuple(sorted(history.policies)),
            decisions={str(state): count for state, count in sorted(history.decisions.counts.items())},
            log=verified,
            checkpoint=self.ledger.last_checkpoint(),
            sample=drawn,
            outputs=outputs,
            strays=strays,
            exceptions=findings_of(
                verified,
                outputs,
                strays,
                population.unreadable,
                failures=history.failures,
                odd=history.odd,
                decisions=history.decisions,
            ),
            rules=tuple(rule for rule in self.table if rule.checker),
            house_rules=tuple(rule for rule in self.table if not rule.checker),
            timeline=tuple((minute, kind, count) for (minute, kind), count in sorted(history.minutes.items())),
            limits=self._limits(drawn),
        )

    def _read_history(self) -> _History:
        history = _History(decisions=Decisions(bundles=self.bundles))
        # What cannot be read is among the log's own problems; it must not hide all other findings.
        for entry in self.ledger.entries(leave_out_unreadable=True):
            if place := odd(entry.event):
                history.odd[entry.index] = place
                continue
            job = entry.event.get("job")
            if entry.type == "intent" and isinstance(job, str):
                # A job is asked for once; a later entry in its name takes nothing from the first.
                history.intents.setdefault(job, (entry.index, entry.event))
            elif entry.type == "output":
                history.outputs[entry.index] = entry.event
            elif entry.type == "failed" and entry.event.get("reason") == "interrupted" and isinstance(job, str):
                history.withdrawn.add(job)
            at = str(entry.event["ts"])
            early = self.since is not None and at < self.since
            if entry.type in {"intent", "refusal"}:
                history.decisions.add(entry.index, entry.event, counted=not early)
            if early:
                continue
            history.minutes[at[:16], entry.type] += 1
            if entry.type == "failed":
                history.failures[str(entry.event.get("reason", "unknown"))] += 1
            elif entry.type == "intent" and isinstance(entry.event.get("policy"), str):
                history.policies.add(entry.event["policy"])
        return history

    def _in_period(self, record: OutputRecord, history: _History) -> bool:
        """By the time in the log: the row's own time is not in any leaf, so whoever can write to it could move it."""
        logged = history.outputs.get(record.ledger_index)
        return self.since is None or logged is None or str(logged.get("ts", "")) >= self.since

    def _audit_output(
        self,
        record: OutputRecord,
        history: _History,
        population: Population,
        known: Collection[str],
        *,
        measured: bool,
        intact: bool,
    ) -> AuditedOutput:
        event = history.outputs.get(record.ledger_index, {})
        intent_index, intent = history.intents.get(str(event.get("job")), (None, {}))
        at = str(event.get("ts", record.created_at))
        consents = self._standings(intent)
        state, path = FileState.NOT_SAMPLED, None
        seen: Measurement | None = None
        judgements: tuple[Judgement, ...] = ()
        if measured:
            state, path = population.find(record, known)
            if state is FileState.MISSING and event.get("job") in history.withdrawn:
                state = FileState.WITHDRAWN
            # What was never published has nothing to show a rule.
            rules = () if state is FileState.WITHDRAWN else self._rules_for(intent)
            seen = self._measure(path, rules, intent) if path is not None else None
            facts = Facts(
                record=record,
                state=state,
                measurement=seen,
                intent=intent,
                intent_index=intent_index,
                output_index=record.ledger_index,
                consents=consents,
                log_intact=intact,
            )
            judgements = tuple(self._judge(rule, facts, made=from_text(at)) for rule in rules)
            self.progress.advance()
        return AuditedOutput(
            record=record,
            at=at,
            intent=intent,
            intent_index=intent_index,
            state=state,
            path=path,
            measurement=seen,
            consents=consents,
            consents_then=standings_then(intent),
            judgements=judgements,
            proof=self._prove(record.ledger_index),
        )

    def _rules_for(self, intent: Mapping[str, Json]) -> tuple[Rule, ...]:
        """The auditor's rules for every file, else those that concern the places of the job."""
        territories = intent.get("territories", ())
        concerned = (rule for rule in self.table if rule.checker)
        return tuple(rule for rule in concerned if self.scope or law.concerns(rule, territories))

    def _judge(self, rule: Rule, facts: Facts, *, made: datetime) -> Judgement:
        reason = law.out_of_time(rule, made=made, as_of=self.as_of) or _beside_the_point(rule, facts)
        if reason is not None:
            return Judgement(rule=rule.id, verdict=Verdict.NOT_APPLICABLE, reason=reason)
        judged = judge(rule, facts)
        if judged.verdict is Verdict.FAIL and rule.when and not facts.intent:
            unknown = "No decision is logged, so whether the rule concerns this file cannot be told."
            return replace(judged, verdict=Verdict.UNDETERMINED, reason=unknown)
        return judged

    def _measure(self, path: Path, rules: Iterable[Rule], intent: Mapping[str, Json]) -> Measurement:
        # Labels are looked for as they were drawn: those of the logged duties first, then what else the law wants.
        duties = set(intent.get("duties", ()))
        drawn = law.labels_of(rule for rule in self.all_rules if rule.id in duties)
        wanted = [label for label in law.labels_of(rules) if not any(law.serves(have, label) for have in drawn)]
        try:
            return self.measure(path, labels=(*drawn, *wanted))
        except ThsafeError as problem:
            return Measurement(notes=(f"{problem.message} ({problem.code})",))
        except Exception as problem:  # noqa: BLE001 - one hostile file must not hide the findings on all others
            return Measurement(notes=(f"The measurement stopped: {type(problem).__name__}: {problem}",))

    def _standings(self, intent: Mapping[str, Json]) -> tuple[Standing, ...]:
        if self.consent is None:
            return ()
        ids = [str(item["id"]) for item in intent.get("consents", ()) if item.get("id")]
        return tuple(self.consent(consent_id, self.now) for consent_id in dict.fromkeys(ids))

    def _prove(self, index: int) -> InclusionProof | None:
        try:
            return self.ledger.prove(index)
        except ThsafeError:
            return None  # the log's own problems are findings already

    def _look_at_strays(
        self, population: Population, known: Collection[str], placed: set[Path | None]
    ) -> Iterable[StrayFile]:
        for digest, path in population.strangers(known):
            if _place_of(path) in placed:
                continue  # a changed output, which has its own findings
            try:
                seen = self.measure(path, labels=())
            except InputError:
                continue  # not media: none of this audit's business
            except Exception as problem:  # noqa: BLE001 - as above
                words = f"It could not be measured: {type(problem).__name__}"
                yield StrayFile(path=path, sha256=digest, kind="foreign", words=words)
                continue
            yield self._place(path, digest, seen)

    def _place(self, path: Path, digest: str, seen: Measurement) -> StrayFile:
        outputs = self.ledger.outputs
        by_mark = outputs.by_watermark(seen.watermark_id) if seen.watermark_id else None
        by_manifest = outputs.by_manifest(seen.manifest_id) if seen.manifest_id else None
        record = by_mark or by_manifest
        if record is not None:
            how = "watermark" if by_mark else "manifest"
            kept = "with whole credentials" if seen.credentials_intact else "without whole credentials"
            place = f"its {how} leads to log entry {record.ledger_index}"
            words = f"An altered copy of {readable(Path(record.path).name)}, {kept}: {place}."
            return StrayFile(
                path=path,
                sha256=digest,
                kind="copy",
                words=words,
                of=record.ledger_index,
                credentials=seen.credentials_intact is True,
            )
        if seen.watermark_id:
            words = f"It carries a watermark of this installation ({seen.watermark_id}) that the log does not know."
            return StrayFile(path=path, sha256=digest, kind="unlogged", words=words)
        words = "No mark leads to this log: made elsewhere, or stripped of its marks."
        return StrayFile(path=path, sha256=digest, kind="foreign", words=words)

    def _limits(self, drawn: Sample) -> tuple[str, ...]:
        limits = list(LIMITS)
        if self.ledger.verifier is None:
            limits.append("The log's key was not at hand: signatures of its own checkpoints were not checked.")
        if self.consent is None:
            limits.append("How consents stand now was not looked up.")
        if drawn.size < drawn.population:
            limits.append(
                f"{drawn.size} of {drawn.population} outputs were measured, drawn by the log's root. If none of them "
                f"failed, at most {drawn.bound:.1%} of all can have, with 95 % confidence."
            )
        return tuple(limits)


def _beside_the_point(rule: Rule, facts: Facts) -> str | None:
    """Why the rule does not reach this kind of file or job; None if it does."""
    if facts.media not in rule.media:
        return "It is about other kinds of media."
    for name, value in (rule.when or {}).items():
        if name == "performer":
            performers = {str(item.get("performer")) for item in facts.intent.get("inputs", ())}
            if facts.intent and value not in performers:
                return f"It is about a {value} performer."
        elif facts.intent and facts.intent.get(name) != value:
            return f"It is about the {name} {value}."
    return None


def _draw(records: Sequence[OutputRecord], sample: int | None, root: str) -> tuple[set[str], Sample]:
    """The outputs to measure: ordered by a hash that nobody can steer once the log is written."""
    size = len(records) if sample is None else min(sample, len(records))
    order = sorted(records, key=lambda record: sha256(f"{root}{record.manifest_id}".encode()).digest())
    return {record.manifest_id for record in order[:size]}, Sample(population=len(records), size=size, seed=root)


def _place_of(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


def _tool() -> str:
    from thsafe.core.version import __version__

    return f"thsafe {__version__}"
