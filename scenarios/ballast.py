"""Fills a disk."""

import os
from pathlib import Path


class Ballast:
    """Takes all space that is left, again and again, until it is dropped."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._path = folder / "ballast"

    def fill(self) -> None:
        at = os.statvfs(self._folder)
        try:
            with open(self._path, "ab") as file:
                file.write(bytes(at.f_bavail * at.f_frsize))
        except OSError:
            pass  # the instance took the space first: full all the same

    def drop(self) -> None:
        self._path.unlink()
