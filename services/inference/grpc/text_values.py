"""Texts in messages: bytes of UTF-8."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from services.inference.refusals import reject


def decode_texts(values: Iterable[bytes], what: str) -> NDArray[np.generic]:
    """Return texts as an array of objects, shape (values,); raise BadRequest.

    >>> decode_texts([b"a", "\u00fc".encode()], "input 'word'").tolist()
    ['a', '\u00fc']
    """
    texts: list[str] = []
    for value in values:
        try:
            texts.append(value.decode())
        except UnicodeDecodeError:
            reject(what, f"text {len(texts)} that is not UTF-8", "UTF-8")
    return np.array(texts, dtype=object)


def encode_texts(values: NDArray[np.generic]) -> list[bytes]:
    """Return an array's texts as UTF-8, in their order."""
    return [str(value).encode() for value in values.ravel()]
