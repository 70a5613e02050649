"""Columns that grow: a fixed-width value a row, in a NumPy array with some room at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def grow(column: NDArray[Any], wanted: int, fill: object) -> None:
    """Makes a column longer in place, the new part filled. No view of it may be in use.

    Small columns double; large ones grow by a sixteenth, because room that is not used takes memory, too. In place, the
    operating system moves pages; a copy would have to be written to fresh ones, at 1 us a user.
    """
    old = size = len(column)
    while size < wanted:
        size += size if size < 65_536 else size // 16
    column.resize((size, *column.shape[1:]), refcheck=False)
    column[old:] = fill
