"""How a detector is trained: network, input, optimiser, augmentation. Every number of a recipe has its source here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from thsafe.core.canonical import canonical_digest
from thsafe.core.errors import MissingError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

Crop = Literal["dfb-5pt", "landmark-box", "mtcnn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One way to train."""

    name: str
    network: str
    """``traces``, ``small``, ``meso4`` or a name of timm's."""
    side: int
    """Pixels of the network's input."""
    crop: Crop
    """How faces are cut; every figure names it, for it matters as much as the network."""
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    deviation: tuple[float, float, float] = (0.5, 0.5, 0.5)
    batch: int = 32
    epochs: int = 10
    rate: float = 2e-4
    decay: float = 5e-4
    schedule: Literal["constant", "cosine"] = "constant"
    augmentation: Literal["deepfakebench", "fates"] = "deepfakebench"
    pairs: bool = False
    """Every manipulated crop beside its genuine twin, in the same batch, degraded alike."""
    self_blend: bool = False
    """Manipulations are made from genuine crops on the way; the list's own are only tested on."""
    pretrained: bool = False
    """Starts from ImageNet."""
    ramp: int = 0
    """Steps over which degradations grow from next to nothing to all: what is plain is learnt first."""
    average: float = 0.0
    """Weight that the running average of the weights keeps per step; 0 for no average."""
    patience: int = 5
    """Validations without a better one after which training ends."""
    source: str = ""

    def digest(self) -> str:
        """Two runs with the same digest can follow one another."""
        return canonical_digest({name: _plain(value) for name, value in asdict(self).items() if name != "epochs"})


_IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
RECIPES: Final = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            Recipe(
                name="deepfakebench-xception",
                network="legacy_xception",
                side=256,
                crop="dfb-5pt",
                pretrained=True,
                source="DeepfakeBench training/config/detector/xception.yaml",
            ),
            Recipe(
                name="efficientnet-b4",
                network="efficientnet_b4",
                side=256,
                crop="dfb-5pt",
                mean=_IMAGENET[0],
                deviation=_IMAGENET[1],
                pretrained=True,
                source="DeepfakeBench training/config/detector/efficientnetb4.yaml",
            ),
            Recipe(
                name="meso4",
                network="meso4",
                side=256,
                crop="dfb-5pt",
                mean=(0.0, 0.0, 0.0),
                deviation=(1.0, 1.0, 1.0),
                rate=1e-3,
                decay=0.0,
                source="MesoNet (Afchar et al., WIFS 2018) §III; DeepfakeBench meso4.yaml",
            ),
            Recipe(
                name="sbi",
                network="efficientnet_b4",
                side=380,
                crop="dfb-5pt",
                mean=(0.0, 0.0, 0.0),
                deviation=(1.0, 1.0, 1.0),
                batch=32,
                epochs=100,
                rate=1e-3,
                decay=0.0,
                schedule="cosine",
                augmentation="fates",
                pairs=True,
                self_blend=True,
                pretrained=True,
                patience=20,
                source="Self-Blended Images (Shiohara and Yamasaki, CVPR 2022) §4.1",
            ),
            Recipe(
                name="small",
                network="small",
                side=128,
                crop="landmark-box",
                mean=(0.0, 0.0, 0.0),
                deviation=(1.0, 1.0, 1.0),
                epochs=12,
                rate=5e-4,
                decay=0.05,
                schedule="cosine",
                augmentation="fates",
                pairs=True,
                ramp=600,
                average=0.997,
                patience=40,
                source="our own",
            ),
            Recipe(
                name="traces",
                network="traces",
                side=128,
                crop="landmark-box",
                mean=(0.0, 0.0, 0.0),
                deviation=(1.0, 1.0, 1.0),
                augmentation="fates",
                pairs=True,
                source="our own; fitted in closed form",
            ),
        )
    }
)


def find_recipe(name: str) -> Recipe:
    """The recipe of that name; raises UsageError ``recipe.unknown``."""
    if name not in RECIPES:
        raise UsageError(
            f'There is no recipe called "{name}".',
            code="recipe.unknown",
            found=name,
            next_step="choose one of: " + ", ".join(RECIPES),
        )
    return RECIPES[name]


def build(recipe: Recipe, *, scratch: bool = False, initial: Path | None = None) -> Any:
    """The recipe's network: a torch module from (n, 3, side, side) to logits (n,), higher for a manipulation.

    Args:
        recipe: which.
        scratch: random weights, also where the recipe starts from ImageNet.
        initial: a file of weights to start from instead.

    Raises:
        MissingError: ``recipe.imagenet``: ImageNet's weights cannot be had here.
        InputError: ``model.not-weights``.
    """
    from detectors.faceforensics.networks import Meso, Timm
    from detectors.faceforensics.small import Small
    from detectors.faceforensics.traces import Traces
    from detectors.faceforensics.weights import fill_initial

    made: Any
    fetched = recipe.pretrained and not scratch and initial is None
    if recipe.network == "small":
        made = Small()
    elif recipe.network == "traces":
        made = Traces()
    elif recipe.network == "meso4":
        made = Meso()
    else:
        try:
            made = Timm(recipe.network, pretrained=fetched)
        except Exception as problem:
            if not fetched:
                raise
            raise MissingError(
                "The recipe starts from ImageNet weights, and they cannot be fetched from here.",
                code="recipe.imagenet",
                found=f"{type(problem).__name__}: {str(problem).splitlines()[0] if str(problem) else ''}",
                rule=f"timm's weights of {recipe.network}",
                next_step="give --init FILE with weights you have, or --from-scratch (worse figures)",
            ) from problem
    if initial is not None:
        fill_initial(made, initial)
    return made


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
