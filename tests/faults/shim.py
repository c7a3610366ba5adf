"""A host that misbehaves: a library (shim.c) that stands between a real process and the C library.

It lets the clock jump, lets the disk be full, and holds back the word that SQLite's log is on disk. Where there is no C
compiler the tests that need it are skipped.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

SOURCE: Final = Path(__file__).with_name("shim.c")
FIELDS: Final = ("clock", "hold", "full", "waiting", "syncs", "durable")
LONG: Final = struct.Struct("=q")


class Shim:
    """The library, and the book that it shares with the processes under it."""

    def __init__(self, folder: Path) -> None:
        """Compile it into `folder`. Skips the test where nothing can."""
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            pytest.skip("needs a C compiler")
        self._library, self._path = folder / "shim.so", folder / "shim.book"
        words = [compiler, "-O2", "-w", "-shared", "-fPIC", "-o", str(self._library)]
        subprocess.run([*words, str(SOURCE)], check=True, capture_output=True)
        self._path.write_bytes(bytes(LONG.size * len(FIELDS)))
        with self._path.open("r+b") as file:
            self._book = mmap.mmap(file.fileno(), 0)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process under it is started with."""
        return {"LD_PRELOAD": str(self._library), "SHIM_BOOK": str(self._path)}

    def tell(self, **fields: int) -> None:
        """`clock`: seconds that the clock is ahead; `hold`: no log is on disk any more; `full`: nothing is written."""
        for name, value in fields.items():
            LONG.pack_into(self._book, LONG.size * FIELDS.index(name), value)

    def told(self, name: str) -> int:
        """`waiting`: calls that are held; `syncs`: logs that were brought to disk; `durable`: bytes of the last."""
        return int(LONG.unpack_from(self._book, LONG.size * FIELDS.index(name))[0])
