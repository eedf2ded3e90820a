"""``thsafe policy``: show, test, compare and approve the rules of the gate."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thsafe.cli.terminal import json_option, print_json, style
from thsafe.core.errors import UsageError
from thsafe.core.exitcodes import ExitCode

if TYPE_CHECKING:
    from policies.bundle import Note, PolicyBundle
    from policies.rules import Rule
    from thsafe.home import Home


@click.group()
def policy() -> None:
    """Show and test the rules of the gate: Cedar policies and the law table behind the labels."""


@policy.command(name="list", epilog="Example:\n\n\b\n  thsafe policy list")
@json_option
def list_(as_json: bool) -> None:
    """Show every policy and every rule of law with its dates."""
    bundle = _own_bundle()
    if as_json:
        print_json(
            {
                "digest": bundle.digest,
                "policies": [
                    {"id": note.id, "file": note.file, "effect": note.effect, "words": note.words}
                    for note in bundle.notes.values()
                ],
                "rules": [
                    {
                        "id": rule.id,
                        "pack": rule.pack,
                        "since": str(rule.since or ""),
                        "status": rule.status,
                        "says": rule.says,
                    }
                    for rule in bundle.rules
                ],
            }
        )
        return
    for note in bundle.notes.values():
        click.echo(f"{note.effect:<7} {style(note.id, bold=True):<32} {note.file}")
    click.echo("")
    for rule in bundle.rules:
        click.echo(
            f"{rule.pack:<6} {style(rule.id, bold=True):<22} {rule.since or '':<11} {textwrap.shorten(rule.says, 70)}"
        )
    click.echo(f"\nbundle {bundle.digest}")


@policy.command(epilog="Examples:\n\n\b\n  thsafe policy explain consent.missing\n  thsafe policy explain JOB")
@click.argument("what", metavar="RULE|JOB")
def explain(what: str) -> None:
    """Say what a policy or rule asks; or why a job of the log was decided as it was, and whether it would be again."""
    bundle = _own_bundle()
    if what in bundle.notes:
        _explain_note(bundle.notes[what])
        return
    rule = next((item for item in bundle.rules if item.id == what), None)
    if rule is not None:
        _explain_rule(rule)
        return
    if not _explain_job(bundle, what):
        raise UsageError(
            f'There is no policy, rule or job "{what}".',
            code="policy.unknown",
            next_step="list them: thsafe policy list, or thsafe log show",
        )


@policy.command(epilog="Example:\n\n\b\n  thsafe policy lint my-policies/")
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
def lint(folder: Path | None) -> int:
    """Check a folder of policies (default: this installation's) for mistakes that Cedar does not see."""
    from policies.bundle import ADDED, PACKAGE_FOLDER, read_added, read_files
    from policies.lint import lint as find_mistakes
    from thsafe.home import Home

    if folder is not None and _is_whole(folder):
        files = read_files(folder)
    else:
        place = folder or Home.default().policies
        more = read_added(place) if place.is_dir() else {}
        files = read_files(PACKAGE_FOLDER) | {f"{ADDED}{name}": text for name, text in more.items()}
    mistakes = find_mistakes(files)
    for mistake in mistakes:
        click.echo(f"{mistake.code}  {mistake.text}")
    if not mistakes:
        click.echo(f"no mistakes in {len(files)} files")
    return int(ExitCode.REFUSED_BY_POLICY if mistakes else ExitCode.DONE)


@policy.command(epilog="Examples:\n\n\b\n  thsafe policy test\n  thsafe policy test my-policies/")
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@json_option
def test(folder: Path | None, as_json: bool) -> int:
    """Run decision tables (tests/*.yaml) of a folder against its policies; default: the package's own and yours."""
    from policies.bundle import PolicyBundle
    from policies.tables import run_tables

    own = folder or _home().policies
    results = [] if folder is not None else run_tables(PolicyBundle.load())
    if folder is not None or own.is_dir():
        results += run_tables(_bundle_of(own) if folder is not None else _own_bundle(), own / "tests")
    wrong = [result for result in results if not result.passed]
    if as_json:
        print_json(
            {
                "cases": len(results),
                "wrong": [
                    {"table": item.table, "case": item.name, "expected": item.expected, "got": item.got}
                    for item in wrong
                ],
            }
        )
    else:
        for item in wrong:
            click.echo(f"{item.table}: {item.name}\n  expected {item.expected}\n  got      {item.got}")
        click.echo(f"{len(results) - len(wrong)} of {len(results)} cases decide as they say")
    return int(ExitCode.REFUSED_BY_POLICY if wrong else ExitCode.DONE)


@policy.command(epilog="Example:\n\n\b\n  thsafe policy diff old-policies/ new-policies/")
@click.argument("old", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("new", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@json_option
def diff(old: Path, new: Path | None, as_json: bool) -> None:
    """Say what two folders of policies decide otherwise (default for the second: this installation's policies)."""
    from policies.diff import diff as compare

    changes = compare(_bundle_of(old), _bundle_of(new) if new is not None else _own_bundle())
    if as_json:
        print_json([{"kind": item.kind, "id": item.id, "what": item.what} for item in changes])
        return
    for item in changes:
        click.echo(f"{item.kind:<7} {style(item.id, bold=True):<32} {item.what}")
    if not changes:
        click.echo("no difference in what they decide")


@policy.command(epilog="Examples:\n\n\b\n  thsafe policy sign\n  thsafe policy sign my-policies/")
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
def sign(folder: Path | None) -> None:
    """Approve the added policies as they stand: writes bundle.json, signed with this installation's gate key.

    Another approver signs the same folder with theirs. Who must sign stands in approvers.json of the home folder.
    """
    from thsafe.rulings import approve_policies

    document = approve_policies(_home(), folder)
    click.echo(f"version {document['version']}: {len(document['files'])} files")
    for item in document["signatures"]:
        click.echo(f"  approved by {item['approver']}")


def _explain_note(note: Note) -> None:
    click.echo(style(note.id, bold=True) + f"  ({note.effect}, policies/{note.file})")
    for label, text in (("says", note.words), ("law", note.rule), ("next", note.next_step)):
        if text:
            click.echo(f"  {label:<6} {text}")


def _explain_rule(rule: Rule) -> None:
    click.echo(style(rule.id, bold=True) + f"  ({rule.pack}, {rule.status})")
    until = f" until {rule.until}" if rule.until else ""
    for label, text in (
        ("says", rule.says),
        ("since", f"{rule.since or ''}{until}"),
        ("who", rule.who),
        ("source", rule.source),
    ):
        if text:
            click.echo(f"  {label:<6} {text}")


def _explain_job(bundle: PolicyBundle, job: str) -> bool:
    """Show the decision on a job of the log; whether there is one."""
    from thsafe.rulings import decisions_on

    decisions = decisions_on(_home(), bundle, job)
    for item in decisions:
        click.echo(style(f"{'allowed' if item.allowed else 'refused'}  {item.at}", bold=True) + f"  entry {item.index}")
        for heading, text in item.rows:
            click.echo(f"  {heading:<9} {text}")
        for name in item.rules:
            note = bundle.notes.get(name)
            click.echo(f"  {name:<28} {note.words if note else ''}".rstrip())
        click.echo(f"  asked again: {item.again}")
    return bool(decisions)


def _own_bundle() -> PolicyBundle:
    from thsafe.rulebook import policies_of

    return policies_of(_home())


def _bundle_of(folder: Path) -> PolicyBundle:
    from policies.bundle import PolicyBundle

    return PolicyBundle.load(folder) if _is_whole(folder) else PolicyBundle.load(added=folder)


def _is_whole(folder: Path) -> bool:
    """Whether a folder is a bundle of its own, and not one with added policies only."""
    return (folder / "schema.cedarschema").is_file()


def _home() -> Home:
    from thsafe.home import Home

    return Home.default()
