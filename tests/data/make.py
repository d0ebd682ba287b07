#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the small ONNX files beside it: each wrong in one way, for tests/cli/bad_input.test."""
import os


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def num(field, value):
    return varint(field << 3) + varint(value)


def msg(field, *parts):
    body = b"".join(p.encode() if isinstance(p, str) else p for p in parts)
    return varint(field << 3 | 2) + varint(len(body)) + body


def node(op, ins, outs, name):
    return msg(1, *[msg(1, i) for i in ins], *[msg(2, o) for o in outs], msg(3, name), msg(4, op))


def io(field, name):
    dims = msg(2, msg(1, num(1, 4)))
    return msg(field, msg(1, name), msg(2, msg(1, num(1, 1), dims)))


def external(location):
    pair = msg(13, msg(1, "location"), msg(2, location))
    return msg(5, num(1, 4), num(2, 1), msg(8, "w"), pair, num(14, 1))


def write(name, *graph):
    model = num(1, 8) + msg(7, *graph, io(11, "x"), io(12, "y")) + msg(8, num(2, 17))
    with open(os.path.join(os.path.dirname(__file__), name), "wb") as f:
        f.write(model)


add = node("Add", ["x", "w"], ["y"], "sum")
write("external_missing.onnx", add, external("weights.bin"))
write("external_escapes.onnx", add, external("../../LICENSE"))
write("external_absolute.onnx", add, external("/etc/passwd"))
write("cyclic.onnx", node("Add", ["x", "b"], ["a"], "first"), node("Neg", ["a"], ["b"], "second"),
      node("Relu", ["b"], ["y"], "third"))
write("unsupported.onnx", node("FlyToTheMoon", ["x"], ["y"], "rocket"))
