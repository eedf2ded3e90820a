"""An engine for thsafe: a still picture that comes slowly nearer while a recording is heard."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np

from thsafe.core.errors import InputError
from thsafe.core.types import Draft, Progress, Request, Task
from thsafe.generation import EngineInfo, Generator
from thsafe.media.image import read_image
from thsafe.media.sound import iter_sound

if TYPE_CHECKING:
    from thsafe.core.types import Frame
    from thsafe.permit import Permit

FPS, RATE, SIDE = 25, 48000, 256


class Still(Generator):
    """A still picture that comes slowly nearer while a recording is heard."""

    info: ClassVar[EngineInfo] = EngineInfo(
        name="still",
        title="Still",
        tasks=(Task.ANIMATE,),
        licence="Apache-2.0",
        commercial_use=True,
        needs="",
        speed="faster than real time",
    )

    def render(self, request: Request, permit: Permit, progress: Progress) -> Draft:
        """Frames and sound of a permitted request: never a file, never without being asked by ``run``."""
        del permit, progress  # what the permit obliges to is done by the publishing loop
        portrait, voice = request.input("portrait"), request.input("voice")
        if portrait.path is None or voice.path is None or not voice.duration:
            raise InputError("Still wants a picture and a recording.", code="still.inputs")
        picture = cv2.resize(read_image(portrait.path), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        count = round(voice.duration * FPS)
        return Draft(
            width=SIDE,
            height=SIDE,
            fps=Fraction(FPS),
            frames=nearer(picture, count),
            sound=iter_sound(voice.path, rate=RATE),
            sample_rate=RATE,
            frame_count=count,
            facts={
                "digital_source_type": "http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic",
                "software_agent": {"name": "thsafe-still", "version": "1.0"},
                "voice": "recorded",
            },
        )


def nearer(picture: Frame, count: int) -> Iterator[Frame]:
    """The picture, 5 % nearer at the end."""
    for number in range(count):
        scale = 1 + 0.05 * number / max(1, count - 1)
        move = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), 0, scale)
        yield np.asarray(cv2.warpAffine(picture, move, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE), np.uint8)
