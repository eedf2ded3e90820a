"""Published weights give the scores their authors' code gives; faceless pictures and wrong files give words."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from detectors.faceforensics.check import PUBLISHED, examine_faces, face_crops
from detectors.faceforensics.nets import ClassNSeg, Meso4, MesoInception4
from detectors.faceforensics.weights import fill_mesonet, load_classnseg
from thsafe.core.errors import InputError
from thsafe.core.types import Status
from thsafe.models import find_card
from thsafe.registry import draw_person

PICTURES = (
    "fake_test_images-df-df00204",
    "fake_test_images-df-df01254",
    "real_test_images-real-real00240",
    "real_test_images-real-real00772",
)
# Scores of the authors' own code on the test pictures of their repository, nearest-neighbour resized.
EXPECTED = {
    "Meso4_F2F": (Meso4, [0.8222, 0.7676, 0.8810, 0.9585]),
    "Meso4_DF": (Meso4, [0.0304, 0.0281, 0.9897, 0.9983]),
    "MesoInception_F2F": (MesoInception4, [0.9807, 1.0, 1.0, 0.9992]),
    "MesoInception_DF": (MesoInception4, [0.0225, 0.0022, 1.0, 1.0]),
}


@pytest.fixture(scope="module")
def faces(shared_data: Path) -> torch.Tensor:
    found = []
    for name in PICTURES:
        picture = cv2.imread(str(shared_data / "forensics" / f"{name}.jpg"))
        small = cv2.resize(picture, (256, 256), interpolation=cv2.INTER_NEAREST)
        found.append(small[:, :, ::-1].astype(np.float32).transpose(2, 0, 1) / 255)
    return torch.from_numpy(np.stack(found))


@pytest.mark.parametrize("name", EXPECTED)
def test_mesonet_gives_the_published_scores(shared_data, faces, name) -> None:
    pytest.importorskip("h5py")
    make, expected = EXPECTED[name]
    net = fill_mesonet(make(), shared_data / "weights" / "mesonet" / f"{name}.h5")
    with torch.inference_mode():
        assert net(faces).numpy() == pytest.approx(expected, abs=1e-3)


def test_classnseg_loads_whole_and_masks(shared_data, faces) -> None:
    folder = shared_data / "weights" / "classnseg"
    net = load_classnseg(folder / "full_encoder_46.pt", folder / "full_decoder_46.pt")
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.inference_mode():
        genuine, mask = net((faces - mean) / deviation)
    assert mask.shape == (4, 256, 256)
    assert ((genuine > 0.2) & (genuine < 0.8)).all()
    assert ((mask >= 0) & (mask <= 1)).all()


def test_sizes_are_those_of_the_papers() -> None:
    def size(net: torch.nn.Module) -> int:
        batch = sum(2 * m.num_features for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d))
        return sum(p.numel() for p in net.parameters()) + batch

    assert size(Meso4()) == 27_977 + 96
    assert size(MesoInception4()) == 28_615 + 110
    assert sum(p.numel() for p in ClassNSeg().encoder.parameters()) == pytest.approx(150_000, rel=0.1)


@pytest.mark.parametrize("content", [b"", b"<html>not weights</html>", b"\x80\x02garbage"])
def test_other_files_are_refused_in_words(tmp_path, content) -> None:
    pytest.importorskip("h5py")
    path = tmp_path / "weights"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        fill_mesonet(Meso4(), path)
    assert caught.value.code == "model.not-weights"
    with pytest.raises(InputError):
        load_classnseg(path, path)


def test_crops_are_square_and_centred_on_the_face() -> None:
    picture = draw_person("kofi", 384)
    wide = cv2.copyMakeBorder(picture, 0, 0, 150, 0, cv2.BORDER_REPLICATE)
    crops, times = face_crops([(0.0, picture), (1.0, np.full_like(picture, 90)), (2.0, wide)])
    assert times == [0.0, 2.0]
    assert crops.shape == (2, 3, 256, 256)
    assert float(np.abs(crops[0] - crops[1]).mean()) < 0.03


def test_without_a_face_nothing_is_evaluated(tmp_path) -> None:
    found = examine_faces("meso4-f2f", [tmp_path / "none"], [(0.0, np.full((200, 200, 3), 80, np.uint8))])
    assert found.status is Status.NOT_EVALUATED
    assert found.code == "NO-FACE"


def test_a_score_is_named_experimental_and_has_no_strength(shared_data) -> None:
    pytest.importorskip("h5py")
    weights = [shared_data / "weights" / "mesonet" / "Meso4_F2F.h5"]
    found = examine_faces("meso4-f2f", weights, [(0.0, draw_person("kofi", 384))])
    assert found.code == "EXPERIMENTAL"
    assert found.strength is None
    assert 0 <= found.detail["score"] <= 1
    assert len(found.model_digest) == 64


def test_every_published_detector_has_its_cards() -> None:
    for published in PUBLISHED.values():
        for name in published.cards:
            card = find_card(name)
            # a file that nobody here could fetch has no address that a program may use, and no digest
            assert card.page.startswith("https://")
            assert (card.url.startswith("https://") and len(card.sha256) == 64) or (not card.url and not card.sha256)
