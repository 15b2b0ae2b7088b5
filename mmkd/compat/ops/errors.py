"""The answer of an operation that has no counterpart here."""

from ...utils.errors import UserNotImplementedError


def missing(name: str) -> UserNotImplementedError:
    """The error to raise when mmcv's operation ``name`` is called without a compiled mmcv."""
    return UserNotImplementedError(
        f'The mmcv operation {name} needs the compiled mmcv: without it mmkd runs mmcv on '
        "torchvision's kernels, which have no such operation. Install a compiled mmcv "
        '(https://mmcv.readthedocs.io/en/latest/get_started/installation.html) in place of '
        'mmcv-lite, or choose a model that does without this operation.'
    )
