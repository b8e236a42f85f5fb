"""Counter-based randomness: a generator is a function of (seed, name, counter), so it needs no place in a checkpoint."""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, name: str, counter: int = 0) -> np.random.Generator:
    """Return the generator that belongs to ``name`` at epoch ``counter``; equal arguments give equal draws everywhere."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), counter])
