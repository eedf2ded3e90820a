"""Pictures as people have them: each variant becomes a bust, or is refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from generators.embedded import cast
from generators.embedded.cast import CAST, Drawn
from generators.embedded.framing import frame_portrait, load_portrait
from generators.embedded.pose import CHANNELS, Pose
from generators.embedded.puppet import Puppet
from thsafe.core.errors import InputError


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return cast.draw(CAST["ada"], size=400)


@pytest.fixture(scope="module")
def picture(drawn: Drawn) -> np.ndarray:
    return drawn.picture


@pytest.fixture(scope="module")
def actor(drawn: Drawn) -> Puppet:
    """The drawn person, to be photographed in other poses."""
    framed = frame_portrait(drawn.picture, drawn.landmarks, short_side=400, matte=drawn.matte)
    return Puppet(framed.picture, framed.landmarks, matte=framed.matte)


def mouth(**channels: float) -> np.ndarray:
    expression = np.zeros(len(CHANNELS), np.float32)
    for name, value in channels.items():
        expression[CHANNELS.index(name)] = value
    return expression


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


def strands(drawn: Drawn, left: float, right: float) -> tuple[np.ndarray, np.ndarray]:
    """The picture with hair hanging between two places (0 to 1) of the eye on its right side, and its cover."""
    from generators.embedded.cast import geometry, hair

    person, frame = CAST["ada"], geometry.frame(drawn.picture.shape[0])
    points = geometry.shape(person)
    inner, outer = float(points[362, 0]) - 0.05, float(points[263, 0]) + 0.08
    top, bottom = float(points[10, 1]) - 0.1, float(points[374, 1]) + 0.35
    places = [inner + (outer - inner) * place for place in np.linspace(left, right, 3)]
    sheet = hair.guides(*([(x - 0.1, top), (x, top + 0.3), (x + 0.08, bottom)] for x in places))
    layer = hair.comb(frame, person, [hair.Lock(guides=sheet, strands=500)], top=top - 0.4, seed=5)
    light = (drawn.picture[..., ::-1] / 255.0) ** 2.2
    light = light * (1 - layer.cover[..., None]) + layer.colour
    picture = np.rint(np.clip(light, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)[..., ::-1]
    return np.ascontiguousarray(picture), layer.cover


@pytest.mark.parametrize(("left", "right"), [(0.0, 1.0), (0.0, 0.5)])
def test_hair_over_an_eye_hangs_before_the_lid(left: float, right: float, drawn: Drawn) -> None:
    """A blink would draw a slit into it, a look to the side would bend it."""
    import cv2

    picture, cover = strands(drawn, left, right)
    puppet = Puppet(picture, drawn.landmarks, matte=drawn.matte)
    rest = puppet.render(Pose(expression=mouth())).astype(np.int16)
    acting = Pose(expression=mouth(), blink_left=1.0, blink_right=1.0, gaze_x=0.03)
    changed = np.abs(puppet.render(acting).astype(np.int16) - rest).max(axis=2)
    marks = drawn.landmarks
    height = round(float(np.ptp(marks[[159, 145], 1])))
    middle = round(float(marks[[386, 374], 1].mean()))
    rows = slice(middle - height, middle + height)
    well_inside = cv2.erode((cover > 0.98).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    hidden = changed[rows][well_inside[rows]]
    assert len(hidden) > 100
    assert np.percentile(hidden, 98) < 25
    assert changed[rows, round(marks[33, 0]) : round(marks[133, 0])].max() > 100, "the other eye shuts"


def test_an_eye_under_a_thin_strand_still_blinks(drawn: Drawn) -> None:
    picture, cover = strands(drawn, 0.05, 0.2)
    puppet = Puppet(picture, drawn.landmarks, matte=drawn.matte)
    rest = puppet.render(Pose(expression=mouth())).astype(np.int16)
    shut = puppet.render(Pose(expression=mouth(), blink_left=1.0, blink_right=1.0)).astype(np.int16)
    x, y = np.rint(drawn.landmarks[473, :2]).astype(int)
    assert cover[y - 2 : y + 3, x - 2 : x + 3].max() < 0.02
    assert np.abs(shut - rest)[y - 2 : y + 3, x - 2 : x + 3].max() > 60


@pytest.mark.parametrize("jaw", [0.08, 0.14])
def test_a_mouth_open_in_the_photo_rests_closes_and_opens(jaw: float, actor: Puppet, tmp_path: Path) -> None:
    from generators.embedded.quality import look_at

    photo = actor.render(Pose(expression=mouth(jaw=jaw)))
    framed = load_portrait(saved(tmp_path / "p.png", photo), short_side=384)
    puppet = Puppet(framed.picture, framed.landmarks)
    acts = [mouth(), mouth(press=0.035), mouth(ftuck=0.03, uraise=0.022), mouth(jaw=0.05), mouth(jaw=0.165)]
    seen = look_at([puppet.render(Pose(expression=act)) for act in acts], apart=True)
    rest, pressed, tucked, little, wide = seen.opening
    assert seen.missed == 0
    assert rest > 0.7 * jaw, "left alone, the photo stays as it is"
    assert pressed <= 0.02, "lips meet for p, b and m"
    assert tucked <= 0.02, "and for f and v"
    assert little < rest, "speech takes the mouth out of the photo's pose"
    assert wide > little + 0.06
    assert seen.likeness.min() > 0.95


@pytest.mark.parametrize("side", [300, 2160])
def test_a_face_is_found_in_a_4k_picture(side: int, picture: np.ndarray, tmp_path: Path) -> None:
    import cv2

    across = np.linspace(0, 9, 3840)[None, :, None]
    scene = (110 + 40 * np.sin(across) + 40 * np.linspace(0, 1, 2160)[:, None, None]).repeat(3, axis=2).astype(np.uint8)
    method = cv2.INTER_AREA if side < 400 else cv2.INTER_CUBIC
    scene[2160 - side :, 1650 : 1650 + side] = cv2.resize(picture, (side, side), interpolation=method)
    path = tmp_path / "p.jpg"
    cv2.imwrite(str(path), scene)
    framed = load_portrait(path, short_side=1080)
    assert framed.picture.shape == (1080, 1080, 3)
    assert 0.33 < np.ptp(framed.landmarks[:468, 0]) / 1080 < 0.40


@pytest.mark.parametrize("way", [1, -1])
def test_a_face_turned_a_little_is_taken_and_three_quarters_are_refused(
    way: int, actor: Puppet, tmp_path: Path
) -> None:
    """A portrait of a portrait, each turned by 14 degrees."""
    from generators.embedded.quality import look_at

    photo = actor.render(Pose(expression=mouth(), yaw=14 * way))
    framed = load_portrait(saved(tmp_path / "little.png", photo), short_side=384)
    puppet = Puppet(framed.picture, framed.landmarks)
    acts = [Pose(expression=mouth()), Pose(expression=mouth(jaw=0.14)), Pose(expression=mouth(press=0.035))]
    seen = look_at([puppet.render(act) for act in acts], apart=True)
    assert seen.missed == 0
    assert seen.opening[1] > 0.08
    assert seen.opening[2] <= 0.02
    further = puppet.render(Pose(expression=mouth(), yaw=14 * way))
    with pytest.raises(InputError) as caught:
        load_portrait(saved(tmp_path / "further.png", further), short_side=384)
    assert caught.value.code == "portrait.turned"
    assert "degrees" in str(caught.value.found)
    assert caught.value.next_step
