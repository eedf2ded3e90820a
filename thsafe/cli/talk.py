"""``thsafe generate talk``: a picture speaks on a vendor's machines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from thsafe.cli.job import job_options
from thsafe.cli.terminal import progress_on_stderr
from thsafe.core.errors import UsageError

_Path = click.Path(path_type=Path)


@click.command(
    epilog=(
        "Examples:\n\n\b\n"
        '  thsafe generate talk --image me.png --text "Good morning." -o out.mp4\n'
        "  thsafe generate talk --image me.png --audio speech.wav --accept-cost -o out.mp4\n"
        "  thsafe generate talk --image me.png --audio speech.wav --resume tlk_AbC123 -o out.mp4"
    )
)
@click.option("--engine", type=click.Choice(["did"]), default="did", show_default=True, help="Whose service.")
@click.option("--image", required=True, type=_Path, metavar="FILE", help="A portrait; it is sent to the vendor.")
@click.option("--text", help='What is said in a synthetic voice; "-" reads it from standard input.')
@click.option("--audio", type=_Path, metavar="FILE", help="Or a recording; it is sent to the vendor.")
@click.option("--voice", metavar="NAME", help="The vendor's name of a voice, with --text.")
@click.option(
    "--provider", type=click.Choice(["microsoft", "amazon", "google"]), help="Who offers the voice, with --text."
)
@click.option("--presenter", metavar="ID", help="One of the vendor's presenters; --image is a picture of them.")
@click.option("--accept-cost", is_flag=True, help="Let it be charged; else the credits that remain are shown.")
@click.option("--resume", metavar="ID", help="Go on with a job of yours that broke off; nothing is charged again.")
@click.option("--timeout", type=click.FloatRange(1), default=1800.0, show_default=True, help="Seconds to wait.")
@click.option("--webhook", metavar="URL", help="An https address of yours that leads to --webhook-port here.")
@click.option("--webhook-port", type=click.IntRange(0, 65535), default=8787, show_default=True, help="On 127.0.0.1.")
@job_options
def talk(
    engine: str,
    image: Path,
    text: str | None,
    audio: Path | None,
    voice: str | None,
    provider: str | None,
    presenter: str | None,
    resume: str | None,
    output_path: Path,
    job: dict[str, Any],
    seed: int,
    force: bool,
    as_json: bool,
    **service: Any,
) -> None:
    """Let a picture speak by D-ID's service, and disclose what comes back.

    Picture and speech leave this machine once the gate has agreed, and D-ID charges for the job. The key is read from
    THSAFE_DID_KEY or the system's keyring (thsafe did key).
    """
    from thsafe.cli.generate import show_output
    from thsafe.cli.neural import given_of, not_given

    del seed
    not_given(engine, "seed")
    if (text is None) == (audio is None):
        raise UsageError("Either words or a recording.", code="usage.speech", next_step="give --text or --audio")
    named = given_of({"voice": voice, "provider": provider})
    if audio is not None and named:
        raise UsageError(
            "A recording has its voice already.", code="usage.speech", found=", ".join(named), next_step="leave it out"
        )
    placed: dict[str, Any] = {"presenter": presenter, "resume": resume, "output_path": output_path, "force": force}
    with progress_on_stderr() as progress:
        from thsafe import DId

        vendor = DId(**service, **job, progress=progress)
        if audio is not None:
            output = vendor.animate(image=image, audio=audio, **placed)
        else:
            words = sys.stdin.read() if text == "-" else str(text)
            output = vendor.say(image=image, text=words, **named, **placed)
    show_output(output, as_json=as_json)
