"""Pictures as people have them: each variant becomes a bust, or is refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from generators.embedded.cast import CAST, draw
from generators.embedded.framing import load_portrait
from thsafe.core.errors import InputError


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return draw(CAST["ada"], size=400).picture


def saved(path: Path, picture: np.ndarray, *, turned: bool = False) -> Path:
    """Through Pillow, which writes EXIF orientation, alpha and grey."""
    from PIL import Image

    channels = picture[..., ::-1] if picture.ndim == 3 and picture.shape[2] == 3 else picture
    image = Image.fromarray(np.ascontiguousarray(channels))
    if turned:
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned a quarter clockwise
        image.save(path, exif=exif)
    else:
        image.save(path)
    return path


@pytest.mark.parametrize("variant", ["plain", "grey", "alpha", "letterbox", "turned by EXIF", "large", "wide"])
def test_a_bust_is_made_of_it(variant: str, picture: np.ndarray, tmp_path: Path) -> None:
    import cv2

    changed = {
        "plain": lambda: picture,
        "grey": lambda: cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY),
        "alpha": lambda: np.dstack([picture[..., ::-1], np.full(picture.shape[:2], 255, np.uint8)]),
        "letterbox": lambda: cv2.copyMakeBorder(picture, 80, 80, 0, 0, cv2.BORDER_CONSTANT),
        "turned by EXIF": lambda: cv2.rotate(picture, cv2.ROTATE_90_COUNTERCLOCKWISE),
        "large": lambda: cv2.resize(picture, (2160, 2160), interpolation=cv2.INTER_CUBIC),
        "wide": lambda: cv2.copyMakeBorder(picture, 0, 0, 300, 300, cv2.BORDER_REPLICATE),
    }[variant]()
    turned = variant == "turned by EXIF"
    path = saved(tmp_path / ("p.jpg" if turned else "p.png"), changed, turned=turned)
    framed = load_portrait(path, short_side=256)
    assert framed.picture.shape == (256, 256, 3)
    width = np.ptp(framed.landmarks[:468, 0]) / 256
    assert 0.30 < width < 0.42
    eyes = framed.landmarks[[33, 263], :2]
    assert eyes[0, 0] < eyes[1, 0]
    assert abs(eyes[0, 1] - eyes[1, 1]) < 6
    if variant == "letterbox":
        assert framed.picture[:4].mean() > 20


@pytest.mark.parametrize(
    ("variant", "code"), [("tiny", "portrait.too-small"), ("nobody", "portrait.no-face"), ("two", "portrait.two-faces")]
)
def test_what_cannot_become_one_is_refused(variant: str, code: str, picture: np.ndarray, tmp_path: Path) -> None:
    import cv2

    changed = {
        "tiny": lambda: cv2.resize(picture, (140, 140), interpolation=cv2.INTER_AREA),
        "nobody": lambda: picture[:60],
        "two": lambda: np.hstack([picture, picture]),
    }[variant]()
    with pytest.raises(InputError) as caught:
        load_portrait(saved(tmp_path / "p.png", changed), short_side=256)
    assert caught.value.code == code
    assert caught.value.next_step
