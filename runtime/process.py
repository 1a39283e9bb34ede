"""How the process uses memory: what it tells the allocator and the garbage collector."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from typing import Final

_M_MMAP_THRESHOLD: Final = -3  # from glibc's malloc.h
_M_ARENA_MAX: Final = -8
_LARGE: Final = 128 * 1024  # bytes
_RARELY: Final = (20_000, 20, 50)


def prepare() -> None:
    """To be called before anything is loaded.

    Large blocks are mapped one by one, so that they go back to the system when they are free: by itself glibc raises
    that limit to 32 MB, and then keeps what loading, a backlog or a save took. And all threads share one heap: those
    that serve requests would each leave one of their own behind, while the interpreter lets one run at a time.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_M_ARENA_MAX, 1)


def settle() -> None:
    """To be called once everything is loaded.

    What loading has left behind goes back to the system.

    Batches are made of many small tuples that form no cycles. Collecting as often as Python does by itself costs a
    tenth of the whole work (measured), as each time what lives long is looked at again.
    """
    gc.collect()
    trim()
    gc.freeze()
    gc.set_threshold(*_RARELY)


def trim() -> None:
    """Give memory that is free inside the heap back to the system. It takes some tenths of a millisecond."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
