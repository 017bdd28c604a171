"""Reads what torch.save has written, without running what is in it, with numpy alone.

Not with torch.load: a pickle may call any function, and a restricted pickle_module is no cure (the PyTorch 1.13.0 of
Debian 12 ignores it). Here a tensor becomes a Tensor, and an object of any class that is not known an Unknown with its
attributes.
"""

import collections
import io
import math
import operator
import pickle
import zipfile

import numpy as np

STORAGES = {name + "Storage": np.dtype(code) for name, code in {
    "Double": "<f8", "Float": "<f4", "Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1",
    "Byte": "u1", "Bool": "?"}.items()}
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


class Unknown:
    """In the place of an object, or of a call, that is not known: holds its attributes and does nothing."""

    def __init__(self, *_arguments, **_options):
        pass

    def __setstate__(self, state):
        if isinstance(state, dict):
            vars(self).update(state)

    def __setitem__(self, _key, _value):
        pass

    def append(self, _value):
        pass


class Storage:
    def __init__(self, kind, count):
        if kind.__name__ not in STORAGES:
            raise ValueError(f"tensors of {kind.__name__} are not known here")
        self.dtype, self.count, self.values = STORAGES[kind.__name__], count, None

    def fill(self, content):
        self.values = np.frombuffer(content, self.dtype)
        if len(self.values) != self.count:
            raise ValueError(f"a tensor's memory has {len(self.values)} numbers, not {self.count}")


class Tensor:
    """A view of a storage, which old files bring only later."""

    def __init__(self, storage, offset, shape, strides, *_rest):
        offset, *sizes = map(operator.index, (offset, *shape, *strides))
        shape, strides = sizes[:len(shape)], sizes[len(shape):]
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if min(offset, *sizes, 0) < 0 or (0 not in shape and max(last + 1, math.prod(shape)) > storage.count):
            raise ValueError("a tensor lies outside its memory")
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self):
        if 0 in self.shape:
            return np.zeros(self.shape, self.storage.dtype)
        steps = [step * self.storage.dtype.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(self.storage.values[self.offset:], self.shape, steps).copy()


KNOWN = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor"): Tensor,
    ("torch._utils", "_rebuild_tensor_v2"): Tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_rest: tensor,
}


class Unpickler(pickle.Unpickler):
    def __init__(self, file, storages):
        super().__init__(file, encoding="utf-8")
        self.storages = storages

    def find_class(self, module, name):
        return KNOWN.get((module, name)) or type(name, (Unknown,), {"__module__": module})

    def persistent_load(self, identity):
        what, kind, key, _place, count, *view = identity
        if what != "storage" or any(view):
            raise ValueError(f"it holds a {what} that is not known here")
        return self.storages.setdefault(key, Storage(kind, count))


def read_zip(path):
    storages = {}
    with zipfile.ZipFile(path) as archive:
        folder, = (name[:-len("data.pkl")] for name in archive.namelist() if name.endswith("/data.pkl"))
        content = Unpickler(io.BytesIO(archive.read(folder + "data.pkl")), storages).load()
        for key, storage in storages.items():
            storage.fill(archive.read(f"{folder}data/{key}"))
    return content


def read_legacy(path):
    """As PyTorch wrote before 1.6: some pickles one after the other, then the storages, each with its length."""
    storages = {}
    with open(path, "rb") as file:
        file = io.BytesIO(file.read())

    def load():
        return Unpickler(file, storages).load()

    if load() != LEGACY_MAGIC:
        raise ValueError("it does not begin as torch.save begins")
    load(), load()  # the version, and the machine
    content = load()
    for key in load():
        count = int.from_bytes(file.read(8), "little")
        storages[key].fill(file.read(count * storages[key].dtype.itemsize))
    return content


def read(path):
    """What was saved. ValueError when it cannot be read."""
    try:
        return read_zip(path) if zipfile.is_zipfile(path) else read_legacy(path)
    except OSError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise ValueError(f"{path}: no checkpoint that can be read: {type(error).__name__}: {error}") from error
