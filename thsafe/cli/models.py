"""``thsafe models``: cards, fetching, checking."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thsafe.cli.terminal import force_option, json_option, print_json, progress_on_stderr
from thsafe.core.errors import UsageError

if TYPE_CHECKING:
    from thsafe.models import ModelCard


@click.group()
def models() -> None:
    """Model weights: cards, fetching, checking. thsafe ships no weights of others."""


@models.command(name="list", epilog="Example:\n\n\b\n  thsafe models list")
@json_option
def list_(as_json: bool) -> None:
    """Show the known models and which are installed."""
    from thsafe.home import Home
    from thsafe.models import all_cards, installed_path

    home = Home.default()
    rows = [(card, installed_path(card, home)) for card in all_cards()]
    if as_json:
        print_json([dataclasses.asdict(card) | {"installed": path is not None} for card, path in rows])
        return
    width = max(len(card.name) for card, _ in rows)
    for card, path in rows:
        state = "installed" if path else "not installed"
        use = "commercial use allowed" if card.commercial_use else "non-commercial use only"
        size = f"{card.size / 1e6:.0f} MB" if card.size else ""
        click.echo(f"{card.name:<{width}} {state:<14} {size:>6} {card.title}; {use}")


@models.command(epilog="Example:\n\n\b\n  thsafe models card wav2lip-gan")
@click.argument("name")
@json_option
def card(name: str, as_json: bool) -> None:
    """Show one model's card."""
    from thsafe.models import find_card

    found = dataclasses.asdict(find_card(name))
    if as_json:
        print_json(found)
        return
    for label, value in found.items():
        if value != "":
            click.echo(f"{label.replace('_', ' '):<15} {value}")


@models.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe models pull wav2lip-gan --file wav2lip_gan.pth --accept-noncommercial\n"
        "  thsafe models pull wav2lip-gan --mirror /mnt/weights --accept-noncommercial\n"
        "  thsafe models pull sadtalker"
    )
)
@click.argument("names", metavar="NAME…", nargs=-1, required=True)
@click.option("--file", type=click.Path(path_type=Path), help="Take the weights from this file instead of the network.")
@click.option(
    "--mirror",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Take them from a folder with NAME/FILE or FILE in it: for machines that have no network.",
)
@click.option("--accept-noncommercial", is_flag=True, help="You use these weights only as their licence allows.")
def pull(names: tuple[str, ...], file: Path | None, mirror: Path | None, accept_noncommercial: bool) -> None:
    """Bring weights in, from their pinned address, a mirror folder or a file.

    The name of an engine stands for all that it needs; what is installed already is not fetched again. A terminal is
    asked about a licence that forbids commercial use; scripts say --accept-noncommercial.
    """
    from thsafe.home import Home
    from thsafe.models import installed_path
    from thsafe.models.fetch import as_published, receipt
    from thsafe.models.fetch import pull as fetch

    home = Home.default()
    wanted = [card for name in names for card in _cards_of(name)]
    if file is not None and len(wanted) != 1:
        raise UsageError(
            "One file is one model.",
            code="model.file",
            found=", ".join(card.name for card in wanted),
            next_step="give --file with one NAME, or a folder of them: --mirror DIR",
        )
    for card in wanted:
        there = installed_path(card, home) if len(wanted) > 1 else None
        if there is None:
            accepted = accept_noncommercial or _accepted(card)
            with progress_on_stderr() as progress:
                there = fetch(
                    card,
                    home,
                    file=file,
                    mirror=mirror,
                    accept_licence=accepted,
                    progress=progress,
                )
        click.echo(f"{card.name} is at {there}")
        if as_published(card, str(receipt(card, home).get("sha256", ""))) is False:
            click.echo("  it is not the file that the authors publish, by its SHA-256; converted weights are not")


def _accepted(card: ModelCard) -> bool:
    """What somebody at a terminal answers about a licence that forbids commercial use."""
    if card.commercial_use or not sys.stdin.isatty():
        return False
    click.echo(f"{card.title}: {card.licence} ({card.page})", err=True)
    return click.confirm("Do you use these weights only as their licence allows?", err=True)


def _cards_of(name: str) -> list[ModelCard]:
    """The card of that name, or those of an engine's first set."""
    from thsafe.models import all_cards, find_card
    from thsafe.registry import engine, engine_names

    if name in engine_names() and name not in {card.name for card in all_cards()}:
        sets = engine(name).info.needed()
        return [find_card(model) for model in sets[0]] if sets else []
    return [find_card(name)]


@models.command(epilog="Example:\n\n\b\n  thsafe models verify")
@click.argument("name", required=False)
@json_option
def verify(name: str | None, as_json: bool) -> None:
    """Hash installed weights again: are they those that were pulled? Without NAME: all that are installed."""
    from thsafe.home import Home
    from thsafe.models import all_cards, find_card, installed_path
    from thsafe.models.fetch import verify as check

    home = Home.default()
    cards = [find_card(name)] if name else [card for card in all_cards() if installed_path(card, home)]
    with progress_on_stderr() as progress:
        found = [check(card, home, progress=progress) for card in cards]
    if as_json:
        print_json(found)
        return
    for row in found:
        state = "as pulled" if row["as_pulled"] else "pulled before receipts were kept"
        authors = {True: "; the authors' file", False: "; not the authors' file", None: ""}[row["as_published"]]
        click.echo(f"{row['name']:<16} {state}{authors}; {row['format']}, SHA-256 {row['sha256']}")
    if not found:
        click.echo("no weights are installed")


@models.command(epilog="Example:\n\n\b\n  thsafe models convert Wav2Lip-SD-GAN.pt -o wav2lip_gan.safetensors")
@click.argument("source", metavar="NAME|FILE")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="OUT.safetensors")
@force_option
def convert(source: str, output: Path, force: bool) -> None:
    """Rewrite weights of any format as safetensors, in a process of its own.

    A .pt file with TorchScript inside runs a program when it is opened: convert only files of authors whom you trust.
    """
    from thsafe.home import Home
    from thsafe.models import all_cards
    from thsafe.models.checkpoint import convert as rewrite
    from thsafe.models.fetch import require_weights

    if output.exists() and not force:
        raise UsageError(
            f"{output} exists already.", code="output.exists", next_step="choose another -o, or add --force"
        )
    card = next((card for card in all_cards() if card.name == source), None)
    path = Path(source) if card is None else require_weights(card, Home.default())
    click.echo(f"{rewrite(path, output)} holds the weights of {source}")


@models.command(epilog="Example:\n\n\b\n  thsafe models train phones -o weights/")
@click.argument("name")
@click.option(
    "-o", "--output", "folder", required=True, type=click.Path(path_type=Path), help="Folder for weights and card."
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 200),
    default=14,
    show_default=True,
    help="Passes, or for lipsync speeches of each portrait.",
)
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Same seed, same speech.")
@click.option(
    "--material",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Pictures, films or recordings that may be learnt from (lipsync, voice); may be repeated.",
)
@json_option
def train(name: str, folder: Path, rounds: int, seed: int, material: tuple[Path, ...], as_json: bool) -> None:
    """Make one of thsafe's own models anew and measure it: phones, lipsync or voice. Some minutes on one core.

    All three learn from synthetic speech; lipsync also from portraits and films of GRID, voice from recordings.
    """
    from thsafe.core.errors import UsageError
    from thsafe.registry import train_model, trainable

    if name not in trainable():
        raise UsageError(
            f'thsafe has no model "{name}" of its own.',
            code="model.untrainable",
            found=name,
            next_step="choose one of: " + ", ".join(trainable()),
        )
    with progress_on_stderr() as progress:
        report = train_model(name, folder, rounds=rounds, seed=seed, progress=progress, material=material)
    if as_json:
        print_json(dict(report))
        return
    click.echo(f"{folder / name}.safetensors: {report['worth']}")
