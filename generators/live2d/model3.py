"""A Live2D model on disk: what ``model3.json`` names, checked before anything opens it.

A model is a stranger's: every name must lead to a plain file below the model's own folder, of a size that a model has.
What lies in the files is for the child process alone to open (``generators.live2d.cubism``); here only their heads are
looked at. Format: Live2D CubismSpecs, "model3.json".
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, NoReturn

from generators.live2d.cubism_json import dumps
from thsafe.core.canonical import canonical_digest
from thsafe.core.errors import InputError
from thsafe.core.types import MediaKind, MediaRef
from thsafe.media.digest import hash_file

MEDIA_TYPE: Final = "application/json"
_MOST_JSON: Final = 16 << 20
_MOST_MOC: Final = 256 << 20
_MOST_TEXTURE: Final = 128 << 20
_MOST_SIDE: Final = 8192
_MOST_PIXELS: Final = 4 * 8192 * 8192
"""Of all textures together: 1 GiB once decoded."""
_MOST_FILES: Final = 1000
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_LICENCE_NAMES: Final = ("license", "licence", "readme")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model3:
    """A model whose files were all found and fit."""

    path: Path
    """The ``model3.json``."""
    moc: str
    """This and all other files: names relative to the model's folder, as in ``model3.json``."""
    textures: tuple[str, ...]
    physics: str = ""
    pose: str = ""
    motion_sync: str = ""
    expressions: Mapping[str, str] = field(default_factory=dict)
    """By name."""
    motions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By group; a motion's number is its place."""
    fades: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    """Seconds in and out that ``model3.json`` sets for a motion's file."""
    lip_sync: tuple[str, ...] = ()
    """Ids of the group LipSync; empty where the model names none."""
    eye_blink: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every file, by name."""
    notice: str = ""
    """Name of the licence or read-me that lies beside the model, or empty."""

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.path.parent

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of all its files."""
        return canonical_digest(dict(self.digests))

    @property
    def name(self) -> str:
        """The model's own name."""
        return self.path.name.removesuffix(".json").removesuffix(".model3")

    def as_input(self) -> MediaRef:
        """The model as an input of a job; the other files are bound by :attr:`digest` among its parameters."""
        return MediaRef(
            role="portrait",
            path=self.path,
            sha256=self.digests[self.path.name],
            kind=MediaKind.MODEL,
            media_type=MEDIA_TYPE,
        )

    def motion(self, name: str) -> tuple[str, int]:
        """Group and number of ``GROUP`` or ``GROUP:NUMBER``.

        Raises:
            InputError: ``live2d.motion``.
        """
        group, _, number = name.rpartition(":") if ":" in name else (name, "", "0")
        there = self.motions.get(group, ())
        if not number.isdecimal() or int(number) >= len(there):
            known = ", ".join(f"{group or '(unnamed)'}:0…{len(files) - 1}" for group, files in self.motions.items())
            raise InputError(
                f'{self.path.name} has no motion "{name}".', code="live2d.motion", found=known or "it has no motions",
                next_step="thsafe live2d show MODEL",
            )  # fmt: skip
        return group, int(number)

    def expression(self, name: str) -> str:
        """The name of an expression that there is; raises InputError ``live2d.expression``."""
        if name not in self.expressions:
            raise InputError(
                f'{self.path.name} has no expression "{name}".',
                code="live2d.expression",
                found=", ".join(self.expressions) or "it has no expressions",
                next_step="thsafe live2d show MODEL",
            )
        return name


def read_model(path: Path) -> Model3:
    """Read and check a model.

    Raises:
        InputError: ``live2d.model``: what is wrong with it.
    """
    reader = _Reader(path)
    refs = reader.section(reader.content, "FileReferences")
    motions, fades = {}, {}
    for group, listed in reader.section(refs, "Motions").items():
        files = []
        for item in reader.items(listed, "motions"):
            files.append(name := reader.file(item.get("File"), "motion", _MOST_JSON))
            fades[name] = (_seconds(item.get("FadeInTime")), _seconds(item.get("FadeOutTime")))
        motions[str(group)] = tuple(files)
    expressions = {
        str(item.get("Name")): reader.file(item.get("File"), "expression", _MOST_JSON)
        for item in reader.items(refs.get("Expressions") or [], "expressions")
    }
    groups = {
        str(item.get("Name")): tuple(str(name) for name in item.get("Ids") or ())
        for item in reader.items(reader.content.get("Groups") or [], "groups")
        if item.get("Target") == "Parameter" and isinstance(item.get("Ids") or [], list)
    }
    model = Model3(
        path=path,
        moc=reader.file(refs.get("Moc"), "moc", _MOST_MOC),
        textures=tuple(
            reader.file(name, "texture", _MOST_TEXTURE) for name in reader.items(refs.get("Textures"), "textures", str)
        ),
        physics=reader.optional(refs, "Physics"),
        pose=reader.optional(refs, "Pose"),
        motion_sync=reader.optional(refs, "MotionSync"),
        expressions=expressions,
        motions=motions,
        fades=fades,
        lip_sync=groups.get("LipSync", ()),
        eye_blink=groups.get("EyeBlink", ()),
        digests=reader.digests,
        notice=_notice(path.parent),
    )
    reader.check_heads(model)
    return model


def stage(model: Model3, folder: Path) -> Path:
    """Copy a model into a folder of ours under plain names, each file as it was read before.

    What JSON the SDK reads is written anew in the form that its parser takes (:mod:`generators.live2d.cubism_json`).

    Args:
        model: as :func:`read_model` gave it.
        folder: an empty folder.

    Returns:
        The ``model3.json`` of the copy.

    Raises:
        InputError: ``input.changed``: a file is another one by now.
    """
    plain: dict[str, str] = {}
    for number, name in enumerate(model.digests):
        if name == model.path.name:
            continue
        ending = "".join(PurePosixPath(name).suffixes[-2:]) if name.endswith(".json") else PurePosixPath(name).suffix
        plain[name] = f"file{number}{ending if ending.isascii() else ''}"
        shutil.copyfile(model.folder / name, folder / plain[name])
        if hash_file(folder / plain[name]) != model.digests[name]:
            raise InputError(
                f"{name} of the model has changed since it was approved.",
                code="input.changed",
                next_step="start the job again; do not change inputs while it runs",
            )
        if name.endswith(".json"):
            (folder / plain[name]).write_text(dumps(_json_of(folder / plain[name], name)), encoding="utf-8")
    references: dict[str, Any] = {"Moc": plain[model.moc], "Textures": [plain[name] for name in model.textures]}
    for key, name in (("Physics", model.physics), ("Pose", model.pose)):
        if name:
            references[key] = plain[name]
    if model.expressions:
        references["Expressions"] = [
            {"Name": name, "File": plain[file]} for name, file in model.expressions.items()
        ]  # fmt: skip
    if model.motions:
        references["Motions"] = {
            group: [_motion_entry(plain[name], model.fades[name]) for name in names]
            for group, names in model.motions.items()
        }
    groups = [
        {"Target": "Parameter", "Name": name, "Ids": list(ids)}
        for name, ids in (("LipSync", model.lip_sync), ("EyeBlink", model.eye_blink))
    ]
    copy = folder / "copy.model3.json"
    copy.write_text(dumps({"Version": 3, "FileReferences": references, "Groups": groups}), encoding="utf-8")
    return copy


def _motion_entry(name: str, fades: tuple[float | None, float | None]) -> dict[str, Any]:
    named = zip(("FadeInTime", "FadeOutTime"), fades, strict=True)
    return {"File": name} | {key: value for key, value in named if value is not None}


class _Reader:
    """The content of a ``model3.json``, and the check of every name in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.name.endswith(".model3.json"):
            self.fail(f"its name is {path.name}", "it is called ….model3.json")
        if not path.is_file():
            self.fail("there is no such file", "it is a file")
        self._root = path.parent.resolve()
        self.content = _json_of(path, path.name)
        self.digests = {path.name: hash_file(path)}
        if self.content.get("Version") != 3:
            self.fail(f"Version {str(self.content.get('Version'))[:20]}", "Version 3, a model of Cubism 3 or later")

    def fail(self, found: str, rule: str) -> NoReturn:
        raise InputError(
            f"{self._path.name} cannot be used as a Live2D model.",
            code="live2d.model",
            found=found[:300],
            rule=rule,
            next_step="export the model anew from Cubism Editor, or give another",
        )

    def section(self, content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        found = content.get(name) or {}
        if not isinstance(found, dict):
            self.fail(f"{name} is no object", "as in Live2D's CubismSpecs")
        return found

    def items(self, found: Any, what: str, kind: type = dict) -> Iterator[Any]:
        if not isinstance(found, list) or not all(isinstance(item, kind) for item in found):
            self.fail(f"the {what} are no list of the right kind", "as in Live2D's CubismSpecs")
        yield from found

    def optional(self, refs: Mapping[str, Any], name: str) -> str:
        return self.file(refs[name], name, _MOST_JSON) if refs.get(name) else ""

    def file(self, name: Any, what: str, most: int) -> str:
        """A name, once it has led to a plain file of a fitting size below the model's folder."""
        if not isinstance(name, str) or not name or "\0" in name:
            self.fail(f"the {what} has no name", f"every {what} names a file")
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or "\\" in name or ":" in name:
            self.fail(f'{what} "{name}"', "names lead to files below the model's own folder")
        path = self._path.parent / name
        try:
            inside, plain = path.resolve().is_relative_to(self._root), path.is_file()
            size = path.stat().st_size if plain else 0
        except (OSError, RuntimeError):
            inside, plain, size = True, False, 0
        if not inside:
            self.fail(f'{what} "{name}" is a link that leads elsewhere', "files lie below the model's own folder")
        if not plain:
            self.fail(f'{what} "{name}" is not there', "every file that the model names exists")
        if size > most:
            self.fail(f'{what} "{name}" has {size} bytes', f"at most {most} bytes")
        if name not in self.digests:
            if len(self.digests) >= _MOST_FILES:
                self.fail(f"more than {_MOST_FILES} files", f"at most {_MOST_FILES} files")
            self.digests[name] = hash_file(path)
        return name

    def check_heads(self, model: Model3) -> None:
        """The moc is one, the textures are PNG pictures of a bearable size, the rest is JSON."""
        with (model.folder / model.moc).open("rb") as file:
            head = file.read(5)
        if head[:4] != b"MOC3":
            self.fail(f'moc "{model.moc}" begins with {head[:4]!r}', "a .moc3 file begins with MOC3")
        if not model.textures:
            self.fail("it has no textures", "at least one texture")
        pixels = 0
        for name in model.textures:
            with (model.folder / name).open("rb") as file:
                head = file.read(24)
            if head[:8] != _PNG or head[12:16] != b"IHDR" or len(head) < 24:
                self.fail(f'texture "{name}" is no PNG picture', "textures are PNG pictures")
            width, height = struct.unpack(">II", head[16:24])
            pixels += width * height
            if not 0 < max(width, height) <= _MOST_SIDE or min(width, height) == 0 or pixels > _MOST_PIXELS:
                self.fail(
                    f'texture "{name}": {width}x{height} pixels',
                    f"at most {_MOST_SIDE} pixels a side, {_MOST_PIXELS} in all",
                )
        for name in model.digests:
            if name.endswith(".json"):
                _json_of(model.folder / name, name)


def _json_of(path: Path, name: str) -> dict[str, Any]:
    """A JSON object from a file; raises InputError ``live2d.model``."""
    cause: Exception | None = None
    found: Any = None
    size = 0
    try:
        size = path.stat().st_size
        if size <= _MOST_JSON:
            found = json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_no_number)
            dumps(found)  # what nests too deep for us would harm the SDK's parser too
    except (OSError, ValueError, RecursionError) as problem:
        cause, found = problem, None
    if isinstance(found, dict):
        return found
    raise InputError(
        f"{name} cannot be read.",
        code="live2d.model",
        found=str(cause or f"{size} bytes, or no object")[:200],
        rule=f"a JSON object of at most {_MOST_JSON} bytes, as in Live2D's CubismSpecs",
        next_step="export the model anew from Cubism Editor, or give another",
    ) from cause


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _seconds(value: Any) -> float | None:
    return (
        float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e4 else None
    )


def _notice(folder: Path) -> str:
    """The name of a licence or read-me beside the model: what its authors allow."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    return next((name for name in names if name.lower().split(".")[0] in _LICENCE_NAMES), "")
