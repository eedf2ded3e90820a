"""Draw the small pictures of the cast that the studio page shows: ``python docs/make_thumbnails.py``.

Each is named after the digest of its person's parameters, so that a test sees when one is out of date.
"""

from __future__ import annotations

from pathlib import Path

import cv2

from thsafe.registry import draw_person, drawn_person_digests

FOLDER = Path(__file__).resolve().parent.parent / "thsafe" / "web" / "static" / "cast"
SIDE = 176


def main() -> None:
    """Draw all, and delete those of people who have changed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = {f"{name}-{digest[:12]}.jpg": name for name, digest in drawn_person_digests().items()}
    for path in FOLDER.glob("*.jpg"):
        if path.name not in wanted:
            path.unlink()
    for file, name in wanted.items():
        picture = cv2.resize(draw_person(name, 2 * SIDE), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 82])
        if done:
            (FOLDER / file).write_bytes(data.tobytes())


if __name__ == "__main__":
    main()
