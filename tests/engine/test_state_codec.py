"""States as bytes: nothing is lost, and nothing that was not written is believed."""

from __future__ import annotations

import contextlib
import math
import struct
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from engine.state_codec import CodecError, decode, encode

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(1 << 300), max_value=1 << 300),
    st.floats(),
    st.text(),
    arrays.arrays(
        st.sampled_from([np.int64, np.float64, np.bool_, np.uint8, np.int32]),
        arrays.array_shapes(min_dims=0, min_side=0),
    ),
    st.lists(st.integers(min_value=-(1 << 100), max_value=1 << 100)).map(lambda v: np.array([*v, 0], object)[:-1]),
    arrays.arrays(np.float64, ()).map(lambda a: a[()]),
)
STATES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(st.text(), inner),
        st.dictionaries(st.one_of(st.integers(), st.tuples(st.integers(), st.text())), inner),
    ),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    """Equal in type and to the bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        if a.dtype == object:
            return a.shape == b.shape and [(type(x), x) for x in a.flat] == [(type(x), x) for x in b.flat]
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, np.generic):
        return a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


@given(STATES)
def test_what_comes_back_is_the_same_to_the_bit(value: Any) -> None:
    assert same(decode(encode(value)), value)


def test_edges_of_ints_and_floats() -> None:
    values = [
        *(sign * ((1 << bits) + off) for bits in (7, 8, 31, 63, 64, 65, 4000) for off in (-1, 0) for sign in (1, -1)),
        0.0,
        -0.0,
        math.inf,
        -math.inf,
        math.nan,
        struct.unpack("<d", b"\x01\x02\x03\x04\x05\x06\xf8\x7f")[0],
        5e-324,
    ]
    assert same(decode(encode(values)), values)


def test_arrays_that_come_back_can_be_written_to() -> None:
    back = decode(encode({"a": np.arange(3), "b": np.arange(6).reshape(2, 3)[:, ::2]}))
    back["a"][0] = 9
    assert back["a"].tolist() == [9, 1, 2]
    assert back["b"].tolist() == [[0, 2], [3, 5]]


@pytest.mark.parametrize("value", [object(), {"x": [{1, 2}]}, np.array(["a"]), np.array([1.5, None], object), b"x"])
def test_what_is_not_plain_data_is_refused(value: Any) -> None:
    with pytest.raises(CodecError, match="state"):
        encode(value)


def test_endless_nesting_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(CodecError, match="deep"):
        encode(value)


@given(st.binary(max_size=80))
def test_foreign_bytes_are_refused_or_plain(data: bytes) -> None:
    with contextlib.suppress(CodecError):
        decode(data)


@pytest.mark.parametrize(
    ("code", "inner"),
    [
        (4, ["<f8", [1 << 40], b""]),
        (4, ["O", [1], b"12345678"]),
        (4, ["no", [1], b""]),
        (4, [1]),
        (5, [[3], [1]]),
        (99, 1),
    ],
)
def test_arrays_that_lie_about_themselves_are_refused(code: int, inner: Any) -> None:
    data = msgspec.msgpack.encode([msgspec.msgpack.Ext(code, msgspec.msgpack.encode(inner))])
    with pytest.raises(CodecError):
        decode(data)
