"""SHA-256 digests of arrays and of bytes."""

import hashlib

import numpy as np


def array_digest(*arrays: np.ndarray) -> str:
    """Digest of arrays in their order, with their shapes."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(repr(array.shape).encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def byte_digest(*parts: bytes) -> str:
    """Digest of the parts, one after the other."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()
