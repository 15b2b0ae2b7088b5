"""Small helpers that know no part of mmkd."""

from .deprecation import renamed_in, warn_renamed
from .names import snake_case

__all__ = ['renamed_in', 'snake_case', 'warn_renamed']
