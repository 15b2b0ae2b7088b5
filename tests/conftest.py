"""Imports mmkd before any test module imports MMDetection, which may lack compiled operations."""

import mmkd  # noqa: F401
