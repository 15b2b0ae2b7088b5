"""Small helpers that know no part of mmkd."""

from .deprecation import warn_renamed

__all__ = ['warn_renamed']
