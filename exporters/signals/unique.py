"""Distinct whole numbers of a batch, and where each stands among them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_ROOM = 16  # numbers of the range for each one of the batch; up to there, counting is quicker than sorting


def unique_places(numbers: Ints, size: int) -> tuple[Ints, Ints]:
    """The distinct `numbers`, which are at least 0 and below `size`, ascending; and the place of each in them."""
    if size > _ROOM * len(numbers):
        unique, inverse = np.unique(numbers, return_inverse=True)
        return unique, inverse
    unique = np.flatnonzero(np.bincount(numbers, minlength=size))
    places = np.empty(size, np.int64)
    places[unique] = np.arange(len(unique))
    return unique, places[numbers]
