"""States of calculators as bytes and back, without the loss of a bit.

MessagePack, with extensions for what it can't say: ints of any size, tuples, dicts whose keys are no
texts, numpy arrays (also of Python ints, dtype object). A float keeps its bits, NaN and -0.0 included.
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

_BIG_INT, _TUPLE, _PAIRS, _ARRAY, _INT_ARRAY, _SCALAR = range(1, 7)
_INT64, _UINT64 = -(1 << 63), (1 << 64) - 1
#: Kinds of dtypes that may be stored: bool, signed and unsigned int, float.
_KINDS: Final = "biuf"
_DEEPEST: Final = 60

_pack = msgspec.msgpack.Encoder().encode


class CodecError(ValueError):
    """What cannot be written, or bytes that are no state."""


def encode(value: Any) -> bytes:
    """A state as bytes. CodecError, naming the place, for what is not plain data."""
    return _pack(_plain(value, "state", 0))


def decode(data: bytes | memoryview) -> Any:
    """What `encode` was given. CodecError for anything that it did not write."""
    try:
        return _decoder.decode(data)
    except CodecError:
        raise
    except (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise CodecError(f"these bytes are no state: {str(error)[:200]}") from None


def _plain(value: Any, place: str, depth: int) -> Any:
    """`value` in terms of MessagePack."""
    kind = type(value)
    if value is None or kind is bool or kind is float or kind is str:
        return value
    if kind is int:
        return value if _INT64 <= value <= _UINT64 else msgspec.msgpack.Ext(_BIG_INT, _big(value))
    if depth > _DEEPEST:
        raise CodecError(f"{place} is nested too deeply")
    if kind is list:
        return [_plain(item, place, depth + 1) for item in value]
    if kind is dict:
        if all(type(key) is str for key in value):
            return {key: _plain(item, f"{place}.{key}", depth + 1) for key, item in value.items()}
        pairs = [[_plain(key, place, depth + 1), _plain(item, place, depth + 1)] for key, item in value.items()]
        return msgspec.msgpack.Ext(_PAIRS, _pack(pairs))
    if kind is tuple:
        return msgspec.msgpack.Ext(_TUPLE, _pack([_plain(item, place, depth + 1) for item in value]))
    if kind is np.ndarray:
        return _array(value, place)
    if isinstance(value, np.generic) and value.dtype.kind in _KINDS:
        return msgspec.msgpack.Ext(_SCALAR, _array(np.asarray(value), place).data)
    raise CodecError(f"{place} holds a {kind.__name__}, which is not plain data")


def _big(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _array(array: NDArray[Any], place: str) -> msgspec.msgpack.Ext:
    shape = list(array.shape)
    if array.dtype == object:
        items = array.ravel().tolist()
        if not all(type(item) is int for item in items):
            raise CodecError(f"{place} holds an array of objects that are no ints")
        return msgspec.msgpack.Ext(_INT_ARRAY, _pack([shape, _plain(items, place, 0)]))
    if array.dtype.kind not in _KINDS:
        raise CodecError(f"{place} holds an array of {array.dtype}, which is not plain data")
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return msgspec.msgpack.Ext(_ARRAY, _pack([little.dtype.str, shape, little.tobytes()]))


def _extension(code: int, data: memoryview) -> Any:
    if code == _BIG_INT:
        return int.from_bytes(data, "little", signed=True)
    if code == _TUPLE:
        return tuple(_list(data))
    if code == _PAIRS:
        return dict(_list(data))
    if code == _ARRAY:
        dtype, shape, raw = _list(data)
        return _numbers(dtype, shape, raw)
    if code == _SCALAR:
        dtype, shape, raw = _list(data)
        return _numbers(dtype, shape, raw)[()]
    if code == _INT_ARRAY:
        shape, items = _list(data)
        array = np.empty(len(items), object)
        array[:] = items
        return array.reshape(shape)
    raise CodecError(f"these bytes are no state: extension {code}")


def _numbers(dtype: str, shape: list[int], raw: bytes) -> NDArray[Any]:
    kind = np.dtype(dtype)
    if kind.kind not in _KINDS or len(raw) != kind.itemsize * math.prod(shape):
        raise CodecError(f"these bytes are no state: an array of {dtype[:20]!r} and shape {str(shape)[:40]}")
    array: NDArray[Any] = np.frombuffer(raw, kind).astype(kind.newbyteorder("="), copy=True).reshape(shape)
    return array


def _list(data: memoryview) -> list[Any]:
    value = _decoder.decode(data)
    if not isinstance(value, list):
        raise CodecError("these bytes are no state")
    return value


_decoder = msgspec.msgpack.Decoder(ext_hook=_extension)
