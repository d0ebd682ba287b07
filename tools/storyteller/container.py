# SPDX-License-Identifier: Apache-2.0
"""Writes and reads GGUF version 3, as far as the storyteller needs it: F32 and Q8_0, values of a few types.

The file: magic, version, counts; the metadata, each a key, a type and a value; one entry for every tensor
(name, shape with the row length first, type, offset); padding; then the data, each tensor on a multiple of 32.
"""

import math
import struct

import numpy as np

ALIGNMENT = 32
F32, Q8_0 = 0, 8
BLOCK = np.dtype([("scale", "<f2"), ("codes", "i1", 32)])

UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
FORMATS = {UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}


def q8_0(x):
    """Rows in blocks of 32: scale = largest magnitude / 127, code = x / scale, halves away from zero."""
    x = np.ascontiguousarray(x, np.float32).reshape(-1, 32)
    scale = np.abs(x).max(1) / np.float32(127)
    ratio = np.divide(x, scale[:, None], out=np.zeros_like(x), where=scale[:, None] > 0)
    blocks = np.empty(len(x), BLOCK)
    # The codes belong to the scale before it is rounded to 16 bits: that is what the other writers do.
    blocks["scale"], blocks["codes"] = scale, np.copysign(np.floor(np.abs(ratio) + np.float32(.5)), ratio)
    return blocks


def from_q8_0(blocks):
    return blocks["scale"].astype(np.float32)[:, None] * blocks["codes"].astype(np.float32)


# Writing.

def string(text):
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind, v):
    if kind == STRING:
        return string(v)
    if kind == ARRAY:
        element, items = v
        return struct.pack("<IQ", element, len(items)) + b"".join(value(element, i) for i in items)
    return struct.pack(FORMATS[kind], v)


def write(path, metadata, tensors):
    """metadata: {key: (kind, value)}; tensors: {name: float32 array}.  Matrices become Q8_0, vectors stay F32."""
    head = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))
    for key, (kind, v) in metadata.items():
        head += string(key) + struct.pack("<I", kind) + value(kind, v)
    data = bytearray()
    for name, x in tensors.items():
        kind = Q8_0 if x.ndim == 2 else F32
        head += string(name) + struct.pack("<I", x.ndim) + struct.pack(f"<{x.ndim}Q", *reversed(x.shape))
        head += struct.pack("<IQ", kind, len(data))
        data += (q8_0(x) if kind == Q8_0 else x.astype("<f4")).tobytes()
        data += bytes(-len(data) % ALIGNMENT)
    head += bytes(-len(head) % ALIGNMENT)
    path.write_bytes(head + data)


# Reading: what is measured is what the file holds.

class Reader:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def number(self, form):
        self.at += struct.calcsize(form)
        return struct.unpack_from(form, self.raw, self.at - struct.calcsize(form))[0]

    def string(self):
        n = self.number("<Q")
        self.at += n
        return self.raw[self.at - n:self.at].decode()

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            element, n = self.number("<I"), self.number("<Q")
            return [self.value(element) for _ in range(n)]
        return self.number(FORMATS[kind])


def read(path):
    """(metadata, {name: float32 array}), the weights as an engine decodes them."""
    r = Reader(path.read_bytes())
    if r.raw[:4] != b"GGUF":
        raise SystemExit(f"{path}: not a GGUF file")
    r.at = 4
    _, tensors, keys = r.number("<I"), r.number("<Q"), r.number("<Q")
    metadata = {r.string(): r.value(r.number("<I")) for _ in range(keys)}
    entries = []
    for _ in range(tensors):
        name, rank = r.string(), r.number("<I")
        shape = [r.number("<Q") for _ in range(rank)][::-1]
        entries.append((name, shape, r.number("<I"), r.number("<Q")))
    base, out = -(-r.at // ALIGNMENT) * ALIGNMENT, {}
    for name, shape, kind, offset in entries:
        n = math.prod(shape)
        x = (from_q8_0(np.frombuffer(r.raw, BLOCK, n // 32, base + offset)) if kind == Q8_0
             else np.frombuffer(r.raw, "<f4", n, base + offset))
        out[name] = x.reshape(shape)
    return metadata, out
