"""Downloads of public data sets: resumed, checked, nothing deleted or overwritten."""

from .catalogue import CATALOGUE, DataSet, Item
from .fetch import fetch
from .unpack import unpack

__all__ = ['CATALOGUE', 'DataSet', 'Item', 'fetch', 'unpack']
