"""The atomic files' former place."""

from mmkd.utils.atomic import write_atomically

__all__ = ['write_atomically']
