"""``thsafe label``: mark and sign media that was made elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from thsafe.cli.terminal import force_option, json_option, progress_on_stderr


@click.command(
    epilog=(
        "Exit codes: 0 done, 20-21 refused, 30 unreadable, 35 a mark was not found again.\n\n"
        "Examples:\n\n\b\n"
        "  thsafe label me-dubbed.mp4 --source-type edited -o labelled.mp4\n"
        "  thsafe label landscape.png --source-type generated --shows nobody -o labelled.png\n"
        "  thsafe label speech.wav --source-type generated --consent me.consent.json -o labelled.wav"
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "output_path",
    required=True,
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="The labelled copy: mp4, mov, m4a, wav, mp3, jpg, png or webp.",
)
@click.option(
    "--source-type",
    "origin",
    required=True,
    type=click.Choice(["generated", "edited"]),
    help="What you declare, signed and logged: all of it made by AI, or a recording changed by AI.",
)
@click.option(
    "--shows",
    type=click.Choice(["person", "nobody"]),
    default="person",
    show_default=True,
    help="A person needs that person's consent; nobody is refused when a face is found.",
)
@click.option(
    "--consent",
    "consents",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A consent record to consider, besides those found by themselves. Repeatable.",
)
@click.option("--purpose", default="demonstration", show_default=True, help="What it is for, in one word.")
@click.option("--territory", "territories", multiple=True, metavar="CODE", help="Where it will be shown. Repeatable.")
@click.option("--language", default="und", help="What is spoken, as a BCP 47 tag such as en or de.")
@force_option
@json_option
def label(
    file: Path,
    output_path: Path,
    origin: str,
    shows: str,
    consents: tuple[Path, ...],
    purpose: str,
    territories: tuple[str, ...],
    language: str,
    force: bool,
    as_json: bool,
) -> None:
    """Mark and sign a copy of a picture, film or sound file that AI made elsewhere.

    The copy gets the visible label or spoken notice that the law wants, the invisible watermark, a signed manifest that
    keeps the original's history, and a line in the audit log. A camera's recording is not labelled: the marks say that
    software made it.
    """
    from thsafe.cli.generate import show_output
    from thsafe.labelling import Labeller

    with progress_on_stderr() as progress:
        labeller = Labeller(
            consent=consents, purpose=purpose, territories=territories, language=language, progress=progress
        )
        output = labeller.label(
            file,
            output_path,
            origin="generated" if origin == "generated" else "edited",
            shows_nobody=shows == "nobody",
            force=force,
        )
    show_output(output, as_json=as_json)
