"""Failing system calls and a wall clock that jumps, for the process under test alone."""

import errno
import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("faults.c")
_LAYOUT = struct.Struct("=qqqq96s")  # struct faults of faults.c
_COMPILERS = ("clang-19", "clang", "cc")


class Faults:
    """The library of faults.c and the file that tells it what to do."""

    def __init__(self, folder: Path):
        compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
        if compiler is None:
            pytest.skip("no C compiler to make the library that lets system calls fail")
        self._library = folder / "faults.so"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(_SOURCE)]
        subprocess.run([*command, "-ldl"], check=True, capture_output=True, timeout=60)
        self._path = folder / "faults"
        self._path.write_bytes(bytes(_LAYOUT.size))
        with open(self._path, "r+b") as file:
            self._at = mmap.mmap(file.fileno(), _LAYOUT.size)

    def environment(self) -> dict:
        return os.environ | {"LD_PRELOAD": str(self._library), "MILLRACE_FAULTS": str(self._path)}

    def set(self, path_part="", sync=0, write=0, error=errno.EIO, wall_offset_s=0) -> None:
        """Everything that is not named goes back to normal."""
        offset = int(wall_offset_s * 1_000_000_000)
        packed = _LAYOUT.pack(offset, 0, 0, error, path_part.encode())
        self._at[:] = packed
        # The countdowns last: the rest must hold when one of them is seen.
        struct.pack_into("=qq", self._at, 8, sync, write)
