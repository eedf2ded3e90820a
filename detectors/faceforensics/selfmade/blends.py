"""How a made face is laid into a picture: colours matched, edges feathered, gradients joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from detectors.faceforensics.selfmade.shapes import Mask, softened

if TYPE_CHECKING:
    from thsafe.core.types import Frame


def laid(patch: Frame, scene: Frame, mask: Mask) -> Frame:
    """Alpha blend of ``patch`` over ``scene``."""
    share = mask[..., None]
    mixed = patch.astype(np.float32) * share + scene.astype(np.float32) * (1 - share)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def matched(patch: Frame, scene: Frame, mask: Mask, *, strength: float = 1.0) -> Frame:
    """The patch with the scene's mean and spread of colour inside the mask, channel by channel in Lab.

    After Reinhard et al., "Color Transfer between Images", 2001; ``strength`` 0 leaves the patch as it is.
    """
    import cv2

    inside = mask > 0.5
    if int(inside.sum()) < 16:
        return patch
    lab = cv2.cvtColor(patch, cv2.COLOR_BGR2LAB).astype(np.float32)
    goal = cv2.cvtColor(scene, cv2.COLOR_BGR2LAB).astype(np.float32)[inside]
    own = lab[inside]
    spread = np.clip((goal.std(axis=0) + 1) / (own.std(axis=0) + 1), 0.5, 2.0)
    moved = (lab - own.mean(axis=0)) * spread + goal.mean(axis=0)
    blended = lab + (moved - lab) * strength
    result: Frame = cv2.cvtColor(np.clip(np.rint(blended), 0, 255).astype(np.uint8), cv2.COLOR_LAB2BGR)
    return result


def feathered(patch: Frame, scene: Frame, mask: Mask, *, edge: float, match: float = 1.0) -> Frame:
    """Colours matched, then blended over an edge of ``edge`` pixels."""
    return laid(matched(patch, scene, mask, strength=match), scene, softened(mask, edge))


def joined(patch: Frame, scene: Frame, mask: Mask) -> Frame:
    """Gradient-domain blend (Pérez et al., "Poisson Image Editing", 2003); feathered if the mask touches a border."""
    import cv2

    ys, xs = np.nonzero(mask > 0.5)
    height, width = mask.shape
    if not len(ys) or ys.min() < 2 or xs.min() < 2 or ys.max() > height - 3 or xs.max() > width - 3:
        return feathered(patch, scene, mask, edge=5)
    centre = (int(xs.min() + xs.max() + 1) // 2, int(ys.min() + ys.max() + 1) // 2)
    solid = ((mask > 0.5) * 255).astype(np.uint8)
    result: Frame = cv2.seamlessClone(patch, scene, solid, centre, cv2.NORMAL_CLONE)
    return result
