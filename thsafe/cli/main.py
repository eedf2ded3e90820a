"""The front door: finds the command, runs it, turns errors into words and exit codes.

Only click and the standard library are imported here, so that ``thsafe --help`` answers at once.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence

import click

from thsafe.core.errors import ThsafeError
from thsafe.core.exitcodes import ExitCode
from thsafe.core.version import __version__

_COMMANDS = {
    "generate": ("thsafe.cli.generate:generate", "Make a talking head that says what it is."),
    "label": ("thsafe.cli.label:label", "Mark and sign media that was made elsewhere."),
    "verify": ("thsafe.cli.verify:verify", "Say what can be said about a file."),
    "compare": ("thsafe.cli.compare:compare", "Say what differs between a file and its original, where and when."),
    "originals": ("thsafe.cli.originals:originals", "Footage of your own that others' files are compared with."),
    "batch": ("thsafe.cli.batch:batch", "Verify or generate many, on one machine or a cluster."),
    "watch": ("thsafe.cli.watch:watch", "Verify what arrives in a folder; move or tag it by verdict."),
    "serve": ("thsafe.cli.serve:serve", "The verification page and API, for a newsroom or for everyone."),
    "studio": ("thsafe.cli.studio:studio", "A page on this machine: make films, record consent."),
    "inspect": ("thsafe.cli.inspect:inspect", "Show a file's manifest, watermark and log entry; no verdict."),
    "manifest": ("thsafe.cli.manifest:manifest", "Show a file's content credentials, or check how they are written."),
    "live": ("thsafe.cli.live:live", "Show a portrait that speaks a stream, on a page of this machine."),
    "analyse": ("thsafe.cli.analyse:analyse", "Measure what a face in a film does."),
    "evaluate": ("thsafe.cli.evaluate:evaluate", "Measure how good a generated film is."),
    "audit": ("thsafe.cli.audit:audit", "Prove which outputs exist, under whose consent, meeting which rules."),
    "consent": ("thsafe.cli.consent:consent", "Make, check and revoke consent records."),
    "cast": ("thsafe.cli.cast:cast", "People drawn by thsafe's own code: list them, draw them."),
    "keys": ("thsafe.cli.keys:keys", "Make and list keys and certificates."),
    "publish": ("thsafe.cli.publish:publish", "Write the receipt for a platform, with its AI flag."),
    "erase": ("thsafe.cli.erase:erase", "Forget a person; proofs stay valid."),
    "trust": ("thsafe.cli.trust:trust", "Whose signatures and time stamps to believe."),
    "log": ("thsafe.cli.log:log", "Read and prove the audit log."),
    "db": ("thsafe.cli.db:db", "Look after the database: version, backup, moving it."),
    "policy": ("thsafe.cli.policy:policy", "Show and test the rules of the gate."),
    "did": ("thsafe.cli.did:did", "The account at D-ID: key, credits, jobs."),
    "live2d": ("thsafe.cli.live2d:live2d", "Live2D models: look into them, write motions, move them live."),
    "engines": ("thsafe.cli.engines:engines", "Who can render, with what, under which licence."),
    "data": ("thsafe.cli.data:data", "Face crops and lists to train and measure detectors with."),
    "detector": ("thsafe.cli.detector:detector", "Train, measure and export a detector of manipulated faces."),
    "models": ("thsafe.cli.models:models", "Model weights: cards, fetching, checking."),
    "tsa": ("thsafe.cli.tsa:tsa", "A time-stamp authority on this machine."),
    "resolve": ("thsafe.cli.resolve:resolve", "Answer other programs that ask which manifest a mark leads to."),
    "doctor": ("thsafe.cli.doctor:doctor", "Check the environment and say how to mend it."),
    "completion": ("thsafe.cli.completion:completion", "Print the completion script for your shell."),
}


class LazyGroup(click.Group):
    """A group that imports a command only when it runs; help texts stand in the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All command names, in the table's order."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None for an unknown name."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the nearest one."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            ctx.fail(f'No such command "{args[0]}".{hint}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, importing none."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


def _version_text() -> str:
    from importlib import metadata

    lines = [f"thsafe {__version__}", f"Python {sys.version.split()[0]}"]
    for package in ("c2pa-python", "torch", "av", "mediapipe", "cedarpy"):
        try:
            lines.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{package} not installed")
    return "\n".join(lines)


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(_version_text())
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=(
        "Examples:\n\n\b\n"
        '  thsafe generate say --person ada --text "Good morning." -o hello.mp4\n'
        "  thsafe verify clip.mp4 --report report.html\n"
        "  thsafe audit run --report audit.html\n\n"
        "Exit codes: 0 done, 2 usage, 10-19 findings, 20-29 refused, 30-39 environment and input, "
        "40 log broken, 50 a batch with failures."
    ),
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show versions."
)
def cli() -> None:
    """Talking-head video that can prove what it is, and checks for video that can't."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the documented code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Being told to end is like Ctrl-C: working folders are removed and the log closes the job's intent.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(int(run(given)))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code and never raises for what a user can cause."""
    from thsafe._ownership import check_ownership

    as_json = "--json" in arguments
    try:
        check_ownership()
        result = cli.main(args=list(arguments), prog_name="thsafe", standalone_mode=False)
    except ThsafeError as problem:
        _show(problem, as_json=as_json)
        return int(problem.exit_code)
    except click.exceptions.Abort:
        click.echo("interrupted; nothing was written", err=True)
        return int(ExitCode.INTERRUPTED)
    except click.ClickException as problem:
        problem.show()
        return int(ExitCode.USAGE)
    except KeyboardInterrupt:
        click.echo("interrupted; nothing was written", err=True)
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (`thsafe … | head`): leave without a word, and keep the interpreter from
        # flushing into the closed pipe on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.DONE)
    except Exception as problem:  # noqa: BLE001 - the last line of defence: a person gets words, not a traceback
        return _show_bug(problem)
    return int(result) if isinstance(result, int) else int(ExitCode.DONE)


def _show(problem: ThsafeError, *, as_json: bool) -> None:
    if as_json:
        import json

        click.echo(json.dumps(problem.as_dict(), ensure_ascii=False, indent=2))
    else:
        click.echo(problem.explain(), err=True)


def _show_bug(problem: Exception) -> int:
    if os.environ.get("THSAFE_DEBUG"):
        import traceback

        traceback.print_exception(problem)
    click.echo(
        f"error[bug]: thsafe stopped on something it should have handled: {type(problem).__name__}: {problem}\n"
        "  next    run again with THSAFE_DEBUG=1 and report what it prints",
        err=True,
    )
    return int(ExitCode.BUG)
