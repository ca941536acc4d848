"""Labels that would lie on each other, moved apart."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression


def spread(wanted: npt.ArrayLike, least: float) -> npt.NDArray[np.float64]:
    """Return the places (n,) nearest to those `wanted`, in the same order and at least `least` from one another.

    By least squares: the isotonic regression of the places less what must lie between them.
    """
    places = np.asarray(wanted, np.float64)
    order = np.argsort(places, kind="stable")
    room = least * np.arange(len(places))
    found = np.empty(len(places))
    found[order] = isotonic_regression(places[order] - room).x + room
    return found
