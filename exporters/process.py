"""What the exporter tells the allocator and the garbage collector of its process."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from typing import Final

_M_MMAP_THRESHOLD: Final = -3  # from glibc's malloc.h
_LARGE: Final = 128 * 1024  # bytes
_SELDOM: Final = (20_000, 20, 50)


def settle() -> None:
    """To be called once everything is loaded.

    Large blocks are mapped one by one, so that they go back to the system when they are free: by itself glibc raises
    that limit to 32 MB, and then keeps what a backlog or a save took (measured: 123 MB instead of 99).

    Batches are made of many small tuples that form no cycles. Collecting as often as Python does by itself costs a
    tenth of the whole work (measured), as each time what lives long is looked at again.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_SELDOM)
