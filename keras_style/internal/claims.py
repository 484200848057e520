"""Checks of what an archive or an HDF5 file claims against the bytes that it has, before any of it is read.

A file of some kilobytes can claim terabytes of zeros, or name other files, whose content would be read in its place.
"""

import math
import zipfile
from typing import Any

import h5py

# What programs write is stored as it is, or packed to a half; the floor is for a file with many zeros.
_TIMES, _FLOOR = 4, 2**24


def check_archive(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse an archive of `size` bytes whose members are larger than any honest packing.

    Raises:
        ValueError: naming what it claims.
    """
    check("its members", sum(member.file_size for member in archive.infolist()), size)


def check_hdf5(file: h5py.File, size: int) -> int:
    """Refuse an HDF5 file of `size` bytes whose arrays are larger than any honest packing, or lie in other files.

    Returns:
        The bytes of all its arrays.

    Raises:
        ValueError: naming what it claims.
    """
    links: dict[str, Any] = {}
    file.visititems_links(links.__setitem__)
    claimed = 0
    for name, link in links.items():
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{name} is a link, perhaps to another file; expected an array or a group")
        if isinstance(item := file[name], h5py.Dataset):
            claimed += check_array(item, size)
    check("its arrays", claimed, size)
    return claimed


def check_array(array: h5py.Dataset, size: int) -> int:
    """Refuse an array in a file of `size` bytes that lies elsewhere, is no numbers, or can only be read with much else.

    Returns:
        Its bytes.

    Raises:
        ValueError: naming the array.
    """
    if array.external or array.is_virtual or array.dtype.kind not in "biuf":
        raise ValueError(f"{array.name} lies in another file, or holds no numbers")
    check(array.name, math.prod(array.chunks or ()) * array.dtype.itemsize, size)
    return math.prod(array.shape or ()) * array.dtype.itemsize


def check(what: str, claimed: int, size: int) -> None:
    """Refuse what claims more bytes than any honest packing makes of a file of `size` bytes, with a ValueError."""
    if claimed > max(_TIMES * size, _FLOOR):
        raise ValueError(f"{what} would take {claimed:,} bytes, of a file of {size:,}")
