"""Small helpers that know no part of mmkd."""

from .deprecation import renamed_in, warn_renamed

__all__ = ['renamed_in', 'warn_renamed']
