"""Draw the README's picture from the demo's video: ``make demo && python docs/make_pictures.py``."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from thsafe.media.decode import VideoReader

MOMENTS = (0.8, 2.4, 4.3, 8.4)


def main(video: Path, target: Path) -> None:
    """Four moments side by side, 400 pixels each."""
    with VideoReader(video) as reader:
        frames = [frame for _, frame in reader.frames_at(MOMENTS)]
    small = [cv2.resize(frame, (400, 400), interpolation=cv2.INTER_AREA) for frame in frames]
    cv2.imwrite(str(target), np.hstack(small), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo/hello.mp4"), Path("docs/pictures/demo.jpg"))
