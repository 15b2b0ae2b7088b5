"""Predictions as arrays."""

from typing import Any

import numpy as np


def to_numpy(value: Any) -> np.ndarray:
    """Array of a tensor on any device, or of MMDetection's box wrapper around one."""
    return getattr(value, 'tensor', value).cpu().numpy()
