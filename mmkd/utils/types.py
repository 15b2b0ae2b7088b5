"""Names for what the host leaves untyped, so that a signature says what is meant."""

from collections.abc import Mapping
from typing import Any

Detector = Any
"""A detector of MMDetection, or a model that stands in for one."""

Head = Any
"""A head of a detector."""

Coder = Any
"""A coder of boxes, with means and stds where it encodes deltas."""

Dataset = Any
"""A data set, or its config."""

Entries = dict[str, Any]
"""Entries of a config, a checkpoint's meta, or a log, by name."""

Setting = Mapping[str, Any]
"""What a user sets as a dict."""

Value = Any
"""What a field of an observation holds; each field says which type."""

Info = Any
"""What a field adds to a detector's description; each field says which type."""
