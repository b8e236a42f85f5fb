"""Arrays by name from files of numbers: text, NumPy, MATLAB, NetCDF and images."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from pinn.problem.settings import BadInput

Array = np.ndarray

LARGEST_FILE = 2**30
"""Bytes."""

GREY = np.array([0.299, 0.587, 0.114])
"""How bright red, green and blue are (ITU-R BT.601)."""

_COMMENT = ("#", "%")
_COMPLEX = re.compile(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?[-+][\d.]+(?:[eE][-+]?\d+)?[ij]")


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Attributes
    ----------
    arrays : by name; of text the columns, (rows,) each, called ``1``, ``2`` … where it names none.
    lines : of text, the line of each row, (rows,).
    axes : of NetCDF, the names along the axes of every array.
    named : whether the arrays have names.
    image : whether it is a picture, one array called ``grey``, (rows from the bottom, columns).
    digest : of its bytes.
    """

    arrays: Mapping[str, Array]
    lines: Array | None = None
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    named: bool = True
    image: bool = False
    digest: str = ""

    def place(self, name: str, where: Sequence[int]) -> str:
        """Return in words where an entry of an array stands."""
        if self.lines is not None:
            return f"line {self.lines[where[0]]}: '{name}'"
        return f"'{name}' at [{', '.join(map(str, where))}]"


def read_contents(path: Path) -> Contents:
    """Read a file by the ending of its name.

    Raises
    ------
    BadInput : no such file, an ending that is not known, a file that is empty or not what its ending says.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        ending = f"'{path.suffix}'" if path.suffix else "a name without an ending"
        raise BadInput(f"{path.name}: {ending} is not known; endings: {', '.join(_READERS)}")
    try:
        if not path.is_file():
            raise BadInput(f"{path} is a folder, not a table" if path.is_dir() else f"no file '{path}'")
        if path.stat().st_size > LARGEST_FILE:
            raise BadInput(f"{path.name} is larger than 1 GiB")
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {(error.strerror or 'error').lower()}") from None
    if not data.strip():
        raise BadInput(f"{path.name} is empty")
    contents = reader(path, data)
    return Contents(
        contents.arrays, contents.lines, contents.axes, contents.named, contents.image, hashlib.sha256(data).hexdigest()[:32]
    )


# text --------------------------------------------------------------------------------------------------------------------


def _read_text(path: Path, data: bytes) -> Contents:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if "\0" in text:
        raise BadInput(f"{path.name} is not text")
    lines = text.splitlines()
    kept = [number for number, line in enumerate(lines) if line.strip() and not line.lstrip().startswith(_COMMENT)]
    if not kept:
        raise BadInput(f"{path.name} has no numbers")
    cut = _separator(lines[kept[0]])
    names = _names(lines[kept[0]], cut)
    if names:
        kept = kept[1:]
        if not kept:
            raise BadInput(f"{path.name} has no numbers below its header")
    rows = [lines[number] for number in kept]
    width = len(_split(rows[0], cut))
    names = names or _names_in_comments(lines[: kept[0]], width)
    called = names or [str(number + 1) for number in range(width)]
    if len(called) != width:
        raise BadInput(f"{path.name} line {kept[0] + 1}: {width} numbers under a header of {len(called)} names")
    values = _numbers(path, rows, np.array(kept) + 1, cut, called)
    doubled = next((name for name in called if called.count(name) > 1), None)
    if doubled is not None:
        raise BadInput(f"{path.name}: two columns are called '{doubled}'")
    return Contents(dict(zip(called, values, strict=True)), np.array(kept) + 1, named=bool(names))


def _separator(line: str) -> str | None:
    """Return what stands between numbers; None is any white space."""
    return next((sign for sign in (",", ";", "\t") if sign in line), None)


def _split(line: str, separator: str | None) -> list[str]:
    return [part.strip() for part in line.split(separator)]


def _is_number(word: str) -> bool:
    try:
        complex(word.replace("i", "j") if _COMPLEX.fullmatch(word) else word)
    except ValueError:
        return False
    return True


def _names(line: str, separator: str | None) -> list[str]:
    """Return the names in a header, none when the line holds numbers."""
    words = [word.strip("\"'") for word in _split(line, separator)]
    return [] if any(_is_number(word) or not word for word in words) else words


def _names_in_comments(above: Sequence[str], width: int) -> list[str]:
    """Return the names in the last comment above the numbers that has as many, as COMSOL and NumPy write it."""
    for line in reversed(above):
        bare = re.sub(r"\([^()]*\)", "", line.lstrip(" #%"))  # units
        for separator in (",", None):
            words = _split(bare, separator)
            if len(words) == width and all(re.fullmatch(r"[A-Za-z]\w*", word) for word in words):
                return words
    return []


def _numbers(path: Path, rows: list[str], lines: Array, separator: str | None, names: Sequence[str]) -> list[Array]:
    """Return the columns, (rows,) each; those with complex numbers are complex."""
    try:
        return list(_loaded(rows, float, separator).T)
    except (ValueError, Warning):
        if not any(map(_COMPLEX.search, rows)):
            _refuse_line(path, rows, lines, separator, names)
    try:
        columns = _loaded([re.sub(r"(?<=[\d.])i\b", "j", row) for row in rows], complex, separator).T
    except (ValueError, Warning):
        _refuse_line(path, rows, lines, separator, names)
    return [column if column.imag.any() else column.real for column in columns]


def _loaded(rows: list[str], kind: type, separator: str | None) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return np.loadtxt(rows, kind, comments=None, delimiter=separator, ndmin=2)


def _refuse_line(path: Path, rows: list[str], lines: Array, separator: str | None, names: Sequence[str]) -> NoReturn:
    """Name the first line that cannot be read."""
    for row, line in zip(rows, lines, strict=True):
        words = _split(row, separator)
        if len(words) != len(names):
            raise BadInput(f"{path.name} line {line}: {len(words)} numbers where {len(names)} are needed ({', '.join(names)})")
        for word, name in zip(words, names, strict=True):
            if not _is_number(word):
                raise BadInput(f"{path.name} line {line}: '{name}' is " + (f"'{word}', not a number" if word else "missing"))
    raise BadInput(f"{path.name} is not a table of numbers")


# arrays: what libraries raise about files of others is of any kind --------------------------------------------------------


def _read_npz(path: Path, data: bytes) -> Contents:
    import io

    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return Contents({name: stored[name] for name in stored.files})
    except Exception as error:
        raise BadInput(f"{path.name} is not a file of numbers written by numpy.savez ({_first_line(error)})") from None


def _read_mat(path: Path, data: bytes) -> Contents:
    import io

    from scipy.io import loadmat

    try:
        stored = loadmat(io.BytesIO(data))
    except NotImplementedError:
        return _read_hdf5(path)
    except Exception as error:
        raise BadInput(f"{path.name} is not a MATLAB file ({_first_line(error)})") from None
    return Contents({name: value for name, value in stored.items() if not name.startswith("__")})


def _read_hdf5(path: Path) -> Contents:
    """Read a MATLAB file of version 7.3; its arrays are stored with their axes in reverse order."""
    try:
        import h5py
    except ImportError:
        raise BadInput(
            f"{path.name} is a MATLAB file of version 7.3, which needs h5py: pip install h5py, or save it with -v7"
        ) from None
    arrays = {}
    try:
        with h5py.File(path) as stored:
            for name, value in stored.items():
                if isinstance(value, h5py.Dataset):
                    found = np.asarray(value).T
                    pair = found.dtype.names == ("real", "imag")
                    arrays[name] = found["real"] + 1j * found["imag"] if pair else found
    except Exception as error:
        raise BadInput(f"{path.name} is not a MATLAB file ({_first_line(error)})") from None
    return Contents(arrays)


def _read_netcdf(path: Path, data: bytes) -> Contents:
    import io

    from scipy.io import netcdf_file

    try:
        with netcdf_file(io.BytesIO(data), mmap=False, maskandscale=True) as stored:
            arrays = {name: _filled(variable[:]) for name, variable in stored.variables.items()}
            axes = {name: tuple(variable.dimensions) for name, variable in stored.variables.items()}
    except Exception:
        return _read_netcdf4(path)
    return Contents(arrays, axes=axes)


def _read_netcdf4(path: Path) -> Contents:
    try:
        import xarray

        with xarray.open_dataset(path, decode_times=False) as stored:
            return Contents(
                {str(name): np.asarray(value) for name, value in stored.variables.items()},
                axes={str(name): tuple(map(str, value.dims)) for name, value in stored.variables.items()},
            )
    except ImportError:
        advice = "which needs xarray and netCDF4: pip install xarray netCDF4, or save it in the classic format"
        raise BadInput(f"{path.name} is not a NetCDF file of the classic format; newer ones are HDF5, {advice}") from None
    except Exception as error:
        raise BadInput(f"{path.name} is not a NetCDF file ({_first_line(error)})") from None


def _filled(values: Any) -> Array:
    """Return masked values as not a number."""
    return np.ma.filled(values.astype(float), np.nan) if isinstance(values, np.ma.MaskedArray) else np.asarray(values)


def _read_image(path: Path, data: bytes) -> Contents:
    import io

    from matplotlib.image import imread

    try:
        pixels = np.asarray(imread(io.BytesIO(data), format="png"), dtype=float)
    except Exception as error:
        raise BadInput(f"{path.name} is not a PNG image ({_first_line(error)})") from None
    grey = pixels[..., :3] @ GREY if pixels.ndim == 3 and pixels.shape[2] >= 3 else pixels.reshape(*pixels.shape[:2], -1)[..., 0]
    return Contents({"grey": grey[::-1]}, image=True)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


_READERS: dict[str, Callable[[Path, bytes], Contents]] = {
    **dict.fromkeys((".csv", ".txt", ".dat"), _read_text),
    ".npz": _read_npz,
    ".mat": _read_mat,
    ".nc": _read_netcdf,
    ".png": _read_image,
}
