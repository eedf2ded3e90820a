"""``thsafe analyse``: what a face in a film does, in numbers."""

from __future__ import annotations

from pathlib import Path

import click

from thsafe.cli.terminal import force_option, json_option, print_json, progress_on_stderr, style


@click.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe analyse talk.mp4\n"
        "  thsafe analyse talk.mp4 --csv talk.csv --plot talk.svg\n"
        "  thsafe analyse talk.mp4 --face 2 --json > second.json"
    )
)
@click.argument("film", type=click.Path(path_type=Path))
@click.option("--face", type=click.IntRange(1, 5), default=1, show_default=True, help="Whose: 1 is seen most.")
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), metavar="FILE", help="Write the table here.")
@click.option("--plot", "plot_path", type=click.Path(path_type=Path), metavar="FILE.svg", help="Draw the curves here.")
@force_option
@json_option
def analyse(film: Path, face: int, csv_path: Path | None, plot_path: Path | None, force: bool, as_json: bool) -> None:
    """Measure head pose, expression, gaze, blinks and speech in a film, frame by frame.

    Nothing is generated and nothing is judged: the numbers are those that drive a portrait (thsafe generate drive).
    """
    from thsafe.core.errors import UsageError
    from thsafe.registry import analyse_film

    for path in (csv_path, plot_path):
        if path is not None and path.exists() and not force:
            raise UsageError(
                f"{path.name} exists.",
                code="output.exists",
                found=str(path),
                next_step="choose another name, or --force",
            )
    with progress_on_stderr() as progress:
        found = analyse_film(film, progress, face=face)
    for path, text in ((csv_path, found.as_csv), (plot_path, found.as_svg)):
        if path is not None:
            _write(path, text())
    if as_json:
        print_json(found.as_json())
        return
    click.echo(style(film.name, bold=True))
    for name, value in found.summary().items():
        shown = " … ".join(f"{part:g}" for part in value) if isinstance(value, list) else value
        click.echo(f"  {name.replace('_', ' '):<18} {shown}")


def _write(path: Path, text: str) -> None:
    """All of it or nothing."""
    import os
    import tempfile

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)
