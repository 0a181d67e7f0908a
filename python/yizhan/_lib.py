"""libyizhan for Python: finds the shared library and declares what it offers.

Looked for, in this order: the file named by YIZHAN_LIBRARY; libyizhan.so beside this package; the build
folders of the source tree this package stands in; what the system's loader finds.

    from yizhan._lib import lib, abi
    s = lib.yz_session_new(None, None)"""
import ctypes
import ctypes.util
import glob
import os

from . import _abi as abi

SONAME = "libyizhan.so.0"


def _candidates():
    named = os.environ.get("YIZHAN_LIBRARY")
    if named:
        return [named]
    here = os.path.dirname(os.path.abspath(__file__))
    found = []
    for folder in (here, os.path.dirname(here)):
        found += [os.path.join(folder, name) for name in (SONAME, "libyizhan.so")]
    # Not the sanitizers' build: it loads only where their runtime was loaded before.
    for build in ("release", "debug", "*"):
        found += sorted(p for p in glob.glob(os.path.join(here, "..", "..", "build", build, "**", "libyizhan.so"),
                                             recursive=True) if "/asan/" not in p)
    found = [path for path in found if os.path.exists(path)]
    system = ctypes.util.find_library("yizhan")
    return found + [SONAME] + ([system] if system else [])


def _load():
    why = []
    for path in _candidates():
        try:
            return ctypes.CDLL(path)
        except OSError as e:
            why.append(str(e))
    raise ImportError("libyizhan cannot be loaded (YIZHAN_LIBRARY names its file): " + "; ".join(why))


class _Library:
    """The functions, each declared when it is first used: a program runs with a library that lacks what it
    does not need."""

    def __init__(self, handle):
        self._handle = handle

    def __getattr__(self, name):
        result, arguments = abi.FUNCTIONS[name] if name in abi.FUNCTIONS else (None, None)
        if arguments is None:
            raise AttributeError(name)
        function = getattr(self._handle, name)
        function.restype, function.argtypes = result, arguments
        setattr(self, name, function)
        return function


lib = _Library(_load())


def init(kind, **fields):
    """An option struct with its size set, as YZ_INIT makes it. Text may be str or bytes."""
    value = kind()
    first = kind._fields_[0][0]
    if first in ("size", "size_of"):
        setattr(value, first, ctypes.sizeof(kind))
    for name, field in fields.items():
        setattr(value, name, field.encode() if isinstance(field, str) else field)
    return value
