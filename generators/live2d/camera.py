"""A camera's pictures as poses, as they come: somebody's face moves a figure in real time. Nothing is kept of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2

from generators.embedded.motion import Follower
from generators.embedded.pose import Pose
from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from thsafe.core.types import Progress

_GONE: Final = 0.6
"""Seconds in which a face that is lost eases to rest."""


def camera_poses(
    source: int | Path,
    progress: Progress,
    *,
    seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Pose]:
    """A pose for every picture that shows a face; where none is seen, the last one eases to rest.

    The first second is for taking the measure of the face: it should look into the camera, with its mouth shut.

    Args:
        source: a camera's number, or a film that stands for one.
        progress: told when the measure is taken.
        seconds: after which to stop; None for when the camera does.
        clock: seconds.

    Raises:
        InputError: ``camera.closed``: there is no such camera; ``camera.silent``: it gives no picture.
    """
    from thsafe.media.faces import FaceTracker

    camera = cv2.VideoCapture(source if isinstance(source, int) else str(source))
    if not camera.isOpened():
        raise InputError(
            "The camera cannot be opened.", code="camera.closed", found=str(source),
            next_step="choose another number (ls /dev/video*), or close the program that has it",
        )  # fmt: skip
    follower = Follower()
    start = clock()
    last, since, came = Pose.neutral(), start, 0
    progress.note("look into the camera, with your mouth shut")
    try:
        with FaceTracker() as tracker:
            while seconds is None or clock() - start < seconds:
                there, picture = camera.read()
                if not there:
                    break
                came += 1
                faces, now = tracker.next(picture), clock()
                if not faces:
                    yield _rest(last, (now - since) / _GONE)
                    continue
                pose = follower.next(faces[0].landmarks, now)
                if pose is None:
                    continue
                if since == start:
                    progress.note("following")
                last, since = pose, now
                yield pose
    finally:
        camera.release()
    if not came:
        raise InputError(
            "The camera gives no picture.", code="camera.silent", found=str(source), next_step="try another camera"
        )


def _rest(pose: Pose, share: float) -> Pose:
    """The pose on its way to rest: 0 as it is, from 1 on neutral."""
    left = max(0.0, 1.0 - share)
    return replace(
        pose,
        expression=pose.expression * left,
        blink_left=pose.blink_left * left,
        blink_right=pose.blink_right * left,
        gaze_x=pose.gaze_x * left,
        gaze_y=pose.gaze_y * left,
        yaw=pose.yaw * left,
        pitch=pose.pitch * left,
        roll=pose.roll * left,
    )
