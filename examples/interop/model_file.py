"""Reads and writes gradcon's model files (docs/model_file.md), with numpy alone."""

import json
import os
import sys

import numpy as np

DTYPES = {name: np.dtype(code) for name, code in {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?"}.items()}
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def crc64(chunks):
    """CRC-64/XZ of byte strings, one after the other, as 16 hexadecimal digits."""
    table = []
    for entry in range(256):
        for _ in range(8):
            entry = entry >> 1 ^ (0xC96C5795D7870F42 if entry & 1 else 0)
        table.append(entry)
    state = 0xFFFFFFFFFFFFFFFF
    for chunk in chunks:
        for byte in chunk:
            state = table[(state ^ byte) & 0xFF] ^ state >> 8
    return f"{state ^ 0xFFFFFFFFFFFFFFFF:016x}"


def checksum(tensors, metadata):
    """Over all metadata but the checksum, in the order of their keys, then over the tensors in the file's order."""
    def number(value):
        return value.to_bytes(8, "little")

    def text(value):
        return number(len(value.encode())) + value.encode()

    def chunks():
        for key in sorted(metadata):
            if key != "checksum":
                yield text(key) + text(metadata[key])
        for name, values in tensors.items():
            yield text(name) + text(DTYPE_NAMES[values.dtype]) + number(values.ndim)
            yield b"".join(map(number, values.shape))
            yield values.tobytes()

    return crc64(chunks())


def read_safetensors(path):
    """All tensors (name -> array) in the file's order, and the metadata. ValueError for what is no such file."""
    with open(path, "rb") as file:
        content = file.read()
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > len(content) - 8:
        raise ValueError(f"{path}: no safetensors file: it ends within the header")
    try:
        header = json.loads(content[8:8 + length])
        metadata = dict(header.pop("__metadata__", {}))
        tensors = {}
        for name, entry in header.items():
            if entry["dtype"] not in DTYPES:
                raise ValueError(f"tensor {name} is {entry['dtype']}, which numpy has not")
            begin, end = entry["data_offsets"]
            if not 0 <= begin <= end <= len(content) - 8 - length:
                raise ValueError(f"tensor {name} lies outside the file")
            values = np.frombuffer(content[8 + length + begin:8 + length + end], DTYPES[entry["dtype"]])
            tensors[name] = values.reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: no valid safetensors file: {error}") from error
    return tensors, metadata


def read_model(path):
    """The same for a detector's file, with a look at format and checksum. Files of newer versions are read too."""
    tensors, metadata = read_safetensors(path)
    if metadata.get("format") != "gradcon":
        raise ValueError(f"{path}: its metadata does not say format gradcon")
    if "checksum" in metadata and checksum(tensors, metadata) != metadata["checksum"]:
        raise ValueError(f"{path}: damaged: its content has another checksum than it states")
    return tensors, metadata


def parse(metadata, key):
    """A JSON list in the metadata."""
    try:
        return json.loads(metadata[key])
    except KeyError:
        raise ValueError(f"the metadata lacks {key}") from None


def say_ignored(tensors, metadata, used):
    """Names on stderr what a program did not use: `used` are tensor names and metadata keys."""
    used = {"format", "format_version", "checksum", *used}
    groups = sorted({name.split(".")[0] + ".*" for name in tensors if name not in used})
    keys = sorted(key for key in metadata if key not in used)
    if groups or keys:
        print("ignored, as unknown here:", *(f"metadata {key}," for key in keys), *(f"tensors {g}," for g in groups),
              f"of a file of version {metadata.get('format_version')}", file=sys.stderr)


def write_model(path, tensors, metadata):
    """Writes a detector's file of version 1, or 2 with a latent. ValueError for numbers that are not finite."""
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise ValueError(f"tensor {name} holds a number that is not finite")
    tensors = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    metadata = {"format": "gradcon", "format_version": "2" if "latent" in metadata else "1", **metadata}
    metadata["checksum"] = checksum(tensors, metadata)
    header, end = {"__metadata__": dict(sorted(metadata.items()))}, 0
    for name, values in tensors.items():
        header[name] = {"dtype": DTYPE_NAMES[values.dtype], "shape": list(values.shape),
                        "data_offsets": [end, end + values.nbytes]}
        end += values.nbytes
    text = to_json(header).encode()
    text += b" " * (-len(text) % 8)
    part = f"{path}.part"
    with open(part, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(v.tobytes() for v in tensors.values()))
    os.replace(part, path)


def to_json(value):
    """As the library writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
