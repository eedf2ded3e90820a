"""An OpenGL context without a screen: EGL, surfaceless, a pbuffer; by ctypes, so that no package is needed.

Used in the child process alone. Order matters: the Live2D model must be loaded before any context exists
(``generators.live2d.cubism_child``).
"""

from __future__ import annotations

import contextlib
import ctypes as c
from collections.abc import Iterator
from typing import Final

_SURFACELESS_MESA: Final = 0x31DD
_OPENGL_API: Final = 0x30A2
_CONFIG: Final = (0x3033, 1, 0x3040, 8, 0x3024, 8, 0x3023, 8, 0x3022, 8, 0x3021, 8, 0x3038)
"""EGL_SURFACE_TYPE pbuffer, EGL_RENDERABLE_TYPE OpenGL, 8 bits each of red, green, blue and alpha."""
_CONTEXT: Final = (0x3098, 3, 0x30FB, 3, 0x30FD, 2, 0x3038)
"""OpenGL 3.3, compatibility profile."""
_BGRA, _BYTES = 0x80E1, 0x1401
_TEXTURE_2D, _BASE_LEVEL, _TEXTURE_WIDTH = 0x0DE1, 0x813C, 0x1000
_MOST_TEXTURES: Final = 256
PACKAGES: Final = ("libegl1", "libgl1-mesa-dri")
"""Debian's packages of what this needs."""

_Pointer = c.c_void_p


class EglError(Exception):
    """No context could be made; says why."""


class Surface:
    """A context and its picture, current on this thread."""

    def __init__(self, width: int, height: int) -> None:
        """Make the context; raises EglError."""
        try:
            egl = c.CDLL("libEGL.so.1")
        except OSError as problem:
            raise EglError(f"libEGL.so.1 cannot be loaded: {problem}") from problem
        self._egl = egl
        egl.eglGetProcAddress.restype, egl.eglGetProcAddress.argtypes = _Pointer, [c.c_char_p]
        display = self._display()
        egl.eglBindAPI(_OPENGL_API)
        config, found = _Pointer(), c.c_int()
        wanted = (c.c_int * len(_CONFIG))(*_CONFIG)
        egl.eglChooseConfig.argtypes = [_Pointer, _Pointer, _Pointer, c.c_int, _Pointer]
        if not egl.eglChooseConfig(display, wanted, c.byref(config), 1, c.byref(found)) or not found.value:
            raise EglError("there is no OpenGL driver; EGL offers no pbuffer with 8 bits a colour")
        self._screen, self._config = display, config
        egl.eglCreateContext.restype, egl.eglCreateContext.argtypes = _Pointer, [_Pointer] * 4
        context = egl.eglCreateContext(display, config, None, (c.c_int * len(_CONTEXT))(*_CONTEXT))
        if not context:
            raise EglError(f"OpenGL 3.3 is not to be had: EGL error {egl.eglGetError():#x}")
        self._context = context
        egl.eglCreatePbufferSurface.restype, egl.eglCreatePbufferSurface.argtypes = _Pointer, [_Pointer] * 3
        egl.eglMakeCurrent.argtypes = [_Pointer] * 4
        egl.eglDestroySurface.argtypes = [_Pointer] * 2
        self._use(self._buffer(width, height), width, height)
        self._read = self._function(
            b"glReadPixels", None, c.c_int, c.c_int, c.c_int, c.c_int, c.c_uint, c.c_uint, _Pointer
        )
        self._string = self._function(b"glGetString", c.c_char_p, c.c_uint)

    @property
    def driver(self) -> str:
        """Name of what draws, such as llvmpipe."""
        return (self._string(0x1F01) or b"").decode("utf-8", "replace")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self._width, self._height

    @contextlib.contextmanager
    def enlarged(self, times: int) -> Iterator[None]:
        """Draw into a larger picture for a while; raises EglError where it cannot be made."""
        small, width, height = self._current, self._width, self._height
        large = self._buffer(width * times, height * times)
        self._use(large, width * times, height * times)
        try:
            yield
        finally:
            self._use(small, width, height)
            self._egl.eglDestroySurface(self._screen, large)

    def start_textures_at(self, level: int) -> None:
        """Look at textures in a smaller size: ``level`` times halved. Those without smaller sizes stay as they are."""
        bind = self._function(b"glBindTexture", None, c.c_uint, c.c_uint)
        exists = self._function(b"glIsTexture", c.c_ubyte, c.c_uint)
        ask = self._function(b"glGetTexLevelParameteriv", None, c.c_uint, c.c_int, c.c_uint, _Pointer)
        put = self._function(b"glTexParameteri", None, c.c_uint, c.c_uint, c.c_int)
        width = c.c_int()
        for name in range(1, _MOST_TEXTURES):
            if not exists(name):
                continue
            bind(_TEXTURE_2D, name)
            put(_TEXTURE_2D, _BASE_LEVEL, 0)
            ask(_TEXTURE_2D, level, _TEXTURE_WIDTH, c.byref(width))
            if width.value:
                put(_TEXTURE_2D, _BASE_LEVEL, level)
        bind(_TEXTURE_2D, 0)

    def read(self) -> memoryview:
        """What was drawn: BGRA, rows from the bottom up; good until the next call."""
        self._read(0, 0, self._width, self._height, _BGRA, _BYTES, self._pixels)
        return memoryview(self._pixels).cast("B")

    def _buffer(self, width: int, height: int) -> int:
        sides = (c.c_int * 5)(0x3057, width, 0x3056, height, 0x3038)
        surface = self._egl.eglCreatePbufferSurface(self._screen, self._config, sides)
        if not surface:
            raise EglError(f"a picture of {width}x{height} pixels cannot be made: EGL error {self._error()}")
        return int(surface)

    def _use(self, surface: int, width: int, height: int) -> None:
        if not self._egl.eglMakeCurrent(self._screen, surface, surface, self._context):
            raise EglError(f"a picture of {width}x{height} pixels cannot be drawn into: EGL error {self._error()}")
        # a context keeps the viewport of its first picture
        self._function(b"glViewport", None, c.c_int, c.c_int, c.c_int, c.c_int)(0, 0, width, height)
        self._current, self._width, self._height = surface, width, height
        self._pixels = c.create_string_buffer(4 * width * height)

    def _error(self) -> str:
        return f"{self._egl.eglGetError():#x}"

    def _display(self) -> int:
        get = self._function(b"eglGetPlatformDisplayEXT", _Pointer, c.c_uint, _Pointer, _Pointer)
        display = get(_SURFACELESS_MESA, None, None)
        self._egl.eglInitialize.argtypes = [_Pointer] * 3
        if not display or not self._egl.eglInitialize(display, None, None):
            raise EglError(f"EGL does not start without a screen: error {self._egl.eglGetError():#x}")
        return int(display)

    def _function(self, name: bytes, result: object, *kinds: object) -> c._CFunctionType:
        address = self._egl.eglGetProcAddress(name)
        if not address:
            raise EglError(f"EGL has no {name.decode()}")
        return c.CFUNCTYPE(result, *kinds)(address)  # type: ignore[arg-type]
