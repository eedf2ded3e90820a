"""``thsafe generate swap``: one person's face in another person's film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from thsafe.cli.job import job_options
from thsafe.cli.terminal import progress_on_stderr

_MODELS = (
    "ghost_1_256", "ghost_2_256", "ghost_3_256",
    "hyperswap_1a_256", "hyperswap_1b_256", "hyperswap_1c_256",
    "inswapper_128", "inswapper_128_fp16", "simswap_256", "simswap_unofficial_512", "blendswap_256",
    "hififace_unofficial_256", "uniface_256",
)  # fmt: skip
"""Of ``generators.facefusion.models``, which --help must not import; a test compares them."""
_Path = click.Path(path_type=Path)


@click.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe generate swap --image face.png --video scene.mp4 --checkout ~/facefusion -o out.mp4\n"
        "  thsafe generate swap --image face.png --video scene.mp4 --faces reference --reference-frame 40 -o out.mp4"
    )
)
@click.option("--image", "images", multiple=True, required=True, type=_Path, help="Whose face is put in. Repeatable.")
@click.option("--video", required=True, type=_Path, help="The film whose face gives way; its sound is kept.")
@click.option("--checkout", type=_Path, metavar="DIR", help="Your FaceFusion 3.8; default: THSAFE_FACEFUSION.")
@click.option("--checkout-python", type=_Path, metavar="PATH", help="The Python of the checkout; its own by default.")
@click.option("--model", type=click.Choice(_MODELS), default=_MODELS[0], show_default=True, help="Who draws.")
@click.option(
    "--accept-noncommercial",
    is_flag=True,
    help="You accept a model's licence that allows no commercial use, or that nobody knows; recorded.",
)
@click.option("--enhance", is_flag=True, help="Let GFPGAN (Apache-2.0) sharpen the face afterwards.")
@click.option(
    "--faces",
    type=click.Choice(["one", "many", "reference"]),
    default="one",
    show_default=True,
    help="The largest face, all, or the one that is like a reference.",
)
@click.option("--reference-position", type=click.IntRange(min=0), default=0, help="Which face of the reference frame.")
@click.option("--reference-frame", type=click.IntRange(min=0), default=0, help="Where the reference face is seen.")
@click.option(
    "--reference-distance",
    type=click.FloatRange(0, 1),
    default=0.3,
    help="How unlike it a face may be; in steps of 0.05.",
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where it runs.")
@click.option("--timeout", type=click.FloatRange(1), default=86400.0, show_default=True, help="Seconds at most.")
@job_options
def swap(
    images: tuple[Path, ...],
    video: Path,
    checkout: Path | None,
    checkout_python: Path | None,
    enhance: bool,
    device: str,
    timeout: float,
    output_path: Path,
    job: dict[str, Any],
    seed: int,
    force: bool,
    as_json: bool,
    **manner: Any,
) -> None:
    """Put somebody's face into somebody's film, with your own FaceFusion.

    Both people must have agreed to the mode "swap" before a collector: one consent names the picture, the other the
    film. Models made of one named person are refused. Licences: ghost Apache-2.0; hyperswap ResearchRAIL; inswapper,
    simswap, blendswap non-commercial; hififace, uniface unknown.
    """
    from thsafe.cli.generate import show_output
    from thsafe.cli.neural import not_given

    del seed
    not_given("facefusion", "seed")
    with progress_on_stderr() as progress:
        from thsafe import FaceFusion

        engine = FaceFusion(
            checkout=checkout,
            checkout_python=checkout_python,
            device=device,
            timeout=timeout,
            **job,
            progress=progress,
        )
        output = engine.swap(
            image=images,
            video=video,
            output_path=output_path,
            processors=("face_swapper", *(("face_enhancer",) if enhance else ())),
            force=force,
            **manner,
        )
    show_output(output, as_json=as_json)
