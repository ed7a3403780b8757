"""Tensors of a PyTorch state dictionary, read without PyTorch.

The file is a pickle, and a pickle can run code. This reader lets it name exactly three things
(an ordered dictionary, a float or long storage, the tensor constructor), all of which are replaced
by code of this module; anything else is refused. Only the layout that ``torch.save`` wrote before
version 1.6 is read: five pickles, then the storages.
"""

from __future__ import annotations

import hashlib
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from training.errors import WeightsError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "LongStorage": np.dtype("<i8"),
}


@dataclass
class _Storage:
    """One flat block of numbers; filled after the pickle has been read."""

    dtype: np.dtype[Any]
    size: int
    values: NDArray[Any] | None = None


@dataclass(frozen=True)
class _View:
    """A tensor: where it starts in its storage, its shape and its strides (in elements)."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> NDArray[Any]:
        values = self.storage.values
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if values is None or min(self.offset, *self.strides, 0) < 0 or last >= max(values.size, 1):
            raise WeightsError("every tensor must lie inside its storage; one does not")
        steps = tuple(s * values.itemsize for s in self.strides)
        view = np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, steps)
        return np.ascontiguousarray(view).reshape(self.shape)


def _tensor(storage: _Storage, offset: int, shape: Any, strides: Any, *_rest: Any) -> _View:
    return _View(storage, int(offset), tuple(shape), tuple(strides))


class _RestrictedUnpickler(pickle.Unpickler):
    """Resolve the three allowed names; refuse every other one."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _DTYPES:
            return name
        raise WeightsError(f"a weights file may name tensors only; got {module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _device, size, *_ = pid
        if kind != "storage" or dtype not in _DTYPES:
            raise WeightsError(f"a weights file may refer to number storages only; got {kind!r}")
        return self.storages.setdefault(str(key), _Storage(_DTYPES[dtype], int(size)))


def _load(file: IO[bytes]) -> tuple[Any, dict[str, _Storage]]:
    unpickler = _RestrictedUnpickler(file)
    return unpickler.load(), unpickler.storages


def _read_storage(file: IO[bytes], storage: _Storage) -> None:
    size = int.from_bytes(file.read(8), "little")
    if size != storage.size:
        raise WeightsError(f"a storage of {storage.size} numbers was announced; got {size}")
    data = file.read(size * storage.dtype.itemsize)
    if len(data) != size * storage.dtype.itemsize:
        raise WeightsError("the weights file must hold all its storages; it ends early")
    storage.values = np.frombuffer(data, storage.dtype)


def read_state(path: Path) -> dict[str, NDArray[Any]]:
    """Read every tensor of a state dictionary.

    Parameters
    ----------
    path : pathlib.Path
        A file written by ``torch.save(model.state_dict(), ...)`` before PyTorch 1.6.

    Returns
    -------
    dict of str to numpy.ndarray
        float32 or int64 arrays under PyTorch's names, in the file's order.

    Raises
    ------
    WeightsError
        If the file has another layout, names anything but tensors, or ends early.
    """
    with path.open("rb") as file:
        head = [_load(file)[0] for _ in range(2)]
        if head != [_MAGIC, _PROTOCOL]:
            raise WeightsError(f"{path.name} must be in the layout before PyTorch 1.6")
        _load(file)  # byte order and type sizes: little endian on every machine PyTorch ran on
        views, storages = _load(file)
        for key in _load(file)[0]:
            if key not in storages:
                raise WeightsError("every stored block must belong to a tensor; one does not")
            _read_storage(file, storages[key])
    return {name: view.array() for name, view in views.items()}


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a file whose SHA-256 is not the expected one."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != expected:
        raise WeightsError(f"{path.name} must have SHA-256 {expected}; got {digest}")
