"""Bitwise comparison of checkpoints."""

from collections.abc import Iterator, Mapping

import torch


def differences(expected: object, got: object, place: str = '') -> list[str]:
    """Places at which two nested structures differ in type, keys, length, or a single bit.

    They are containers of tensors and plain values; ``place`` begins every name in the result.
    """
    return list(_walk(expected, got, place))


def _walk(expected: object, got: object, place: str) -> Iterator[str]:
    if isinstance(expected, torch.Tensor) and isinstance(got, torch.Tensor):
        if expected.dtype != got.dtype or not torch.equal(expected, got):
            yield place
    elif isinstance(expected, Mapping) and isinstance(got, Mapping):
        yield from (f'{place}.{key} (only in one)' for key in expected.keys() ^ got.keys())
        for key in expected.keys() & got.keys():
            yield from _walk(expected[key], got[key], f'{place}.{key}')
    elif isinstance(expected, (list, tuple)) and isinstance(got, (list, tuple)):
        if len(expected) != len(got):
            yield f'{place} (lengths {len(expected)} and {len(got)})'
        for index, pair in enumerate(zip(expected, got, strict=False)):
            yield from _walk(*pair, f'{place}[{index}]')
    elif expected != got:
        yield place
