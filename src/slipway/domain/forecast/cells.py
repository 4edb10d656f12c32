"""Distribution of the number of canary events: cells of one or more counts, by the noise's state."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slipway.domain.forecast.boundaries import NOISE_CHANCES
from slipway.domain.judge.statistics.rates import Floats

FEW = 320
"""More cells than this are merged, two by two, once the noise of one look spans them."""
NOTHING = 1e-9
"""Probability under which a cell at an end is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Probabilities by count and state of the noise; cell i holds the `width` counts from `low + i * width` on."""

    low: int
    width: int
    chances: Floats
    """Shape (STATES, cells); (2, STATES, cells) if canaries that wait for another metric are kept apart: [1]."""

    @property
    def mass(self) -> float:
        """Return the total probability."""
        return float(self.chances.sum())

    def above(self, counts: Floats) -> Floats:
        """Return the share of each cell at or over `counts` (..., STATES), in the shape of the probabilities."""
        shares = (self._ends - counts[..., None]) / self.width
        return np.minimum(np.maximum(shares, 0.0, out=shares), 1.0, out=shares)

    def up_to(self, counts: Floats) -> Floats:
        """Return the share of each cell at or under `counts` (..., STATES), in the shape of the probabilities."""
        return 1.0 - self.above(counts + 1)

    @property
    def _ends(self) -> Floats:
        return np.arange(1, self.chances.shape[-1] + 1, dtype=float) * self.width + self.low

    def without(self, shares: Floats) -> "Cells":
        """Return the cells with these shares taken away."""
        return Cells(low=self.low, width=self.width, chances=self.chances * (1 - shares))

    def only(self, shares: Floats) -> "Cells":
        """Return these shares of the cells."""
        return Cells(low=self.low, width=self.width, chances=self.chances * shares)

    def moved(self, events: int) -> "Cells":
        """Return the cells moved by this many events."""
        return Cells(low=self.low + events, width=self.width, chances=self.chances)

    def waiting(self) -> "Cells":
        """Return the cells with all of them waiting for another metric, from the leg in which that matters."""
        if self.chances.ndim > NOISE_CHANCES.ndim + 1:
            return self
        return Cells(low=self.low, width=self.width, chances=np.stack([np.zeros_like(self.chances), self.chances]))

    def ready(self, share: float) -> "Cells":
        """Return the cells after this share of those that wait has stopped waiting."""
        came = share * self.chances[1]
        return Cells(low=self.low, width=self.width, chances=np.stack([self.chances[0] + came, self.chances[1] - came]))


START = Cells(low=0, width=1, chances=NOISE_CHANCES[:, None])
"""No event yet."""


def add_events(cells: Cells, events: float, moves: Floats) -> Cells:
    """Return the distribution after a Poisson number of events with this mean and a step of the noise."""
    cells = _fit_cells(cells, events)
    length = cells.chances.shape[-1] + int((events + 8 * np.sqrt(events)) / cells.width) + 12
    size = 1 << (length - 1).bit_length()
    turn = 2 * np.pi * np.arange(size // 2 + 1) / size
    if cells.width == 1:
        factor = np.exp(events * np.expm1(-1j * turn))
    else:  # as a normal variable: its steps are finer than its spread
        factor = np.exp(-1j * turn * events / cells.width - turn**2 * events / cells.width**2 / 2)
    moved = np.fft.irfft(np.fft.rfft(moves.T @ cells.chances, size) * factor, size)[..., :length]
    return _trim_cells(cells.low, cells.width, np.maximum(moved, 0.0))


def pool_cells(many: Sequence[Cells]) -> Cells:
    """Return the sum of distributions."""
    width = max(cells.width for cells in many)
    same = [_widen_cells(cells, width) for cells in many]
    low = min(cells.low for cells in same)
    begins = [round((cells.low - low) / width) for cells in same]
    lengths = [cells.chances.shape[-1] for cells in same]
    most = max(at + length for at, length in zip(begins, lengths, strict=True))
    chances = np.zeros((*many[0].chances.shape[:-1], most))
    for at, length, cells in zip(begins, lengths, same, strict=True):
        chances[..., at : at + length] += cells.chances
    return Cells(low=low, width=width, chances=chances)


def _fit_cells(cells: Cells, events: float) -> Cells:
    while cells.chances.shape[-1] > FEW and (2 * cells.width) ** 2 <= 2 * events:
        cells = _widen_cells(cells, 2 * cells.width)
    return cells


def _widen_cells(cells: Cells, width: int) -> Cells:
    while cells.width < width:
        before = cells.low // cells.width % 2
        after = (cells.chances.shape[-1] + before) % 2
        chances = np.pad(cells.chances, [(0, 0)] * (cells.chances.ndim - 1) + [(before, after)])
        cells = Cells(
            low=cells.low - before * cells.width, width=2 * cells.width, chances=chances[..., ::2] + chances[..., 1::2]
        )
    return cells


def _trim_cells(low: int, width: int, chances: Floats) -> Cells:
    """Return cells without negligible ends."""
    kept = np.flatnonzero(chances.sum(axis=tuple(range(chances.ndim - 1))) > NOTHING)
    first, last = (int(kept[0]), int(kept[-1]) + 1) if len(kept) else (0, 1)
    return Cells(low=low + first * width, width=width, chances=chances[..., first:last])
