"""A user's mistake as a message; a programmer's with its traceback."""

import errno
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mmkd.compat import printable
from mmkd.utils.errors import UserError

# What the system refuses, whoever asked: the code is not to blame.
_SPACE = dict.fromkeys(
    (errno.EFBIG, errno.ENOSPC, getattr(errno, 'EDQUOT', errno.ENOSPC)),
    'Free space, or write into another folder.',
)
_REMEDIES = _SPACE | dict.fromkeys(
    (errno.EACCES, errno.EIO, errno.EISDIR, errno.ENOTDIR, errno.EPERM, errno.EROFS),
    'See whether this can be read and written by you, or name another place.',
)
USER_ERROR_STATUS, INTERRUPTED_STATUS = 2, 130


def run_readably(
    main: Callable[[], int | None], interrupted: str = 'interrupted: what is finished is kept'
) -> int:
    """Runs a command; a :class:`UserError` is printed without its traceback.

    So are Ctrl-C and what the system refuses: no space, no permission.

    Args:
        main: The command; may return its exit status.
        interrupted: What to say at Ctrl-C.

    Returns:
        Exit status: the command's (0 for None), 2 where the user's input was wrong, as argparse has
        it, or 130 after Ctrl-C, as shells have it. Any other error passes through, so that Python
        prints its traceback and exits with status 1.
    """
    try:
        return main() or 0
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr, flush=True)
        return INTERRUPTED_STATUS
    except (UserError, OSError) as error:
        message = str(error)
        if isinstance(error, OSError) and not isinstance(error, UserError):
            if error.errno not in _REMEDIES:
                raise
            where = f'{error.filename}: ' if error.filename else ''
            message = f'{where}{error.strerror}. {_REMEDIES[error.errno]}'
        print(f'error: {printable(message)}', file=sys.stderr, flush=True)
        return USER_ERROR_STATUS


@contextmanager
def writing_into(folder: str) -> Iterator[None]:
    """Names the folder in an error of the system that names no file, as a full disk's.

    A line of the log that finds no room is left out: logging would print a traceback for each.
    """
    logging.raiseExceptions = False
    try:
        yield
    except OSError as error:
        if error.errno in _REMEDIES:
            error.filename = error.filename or folder
        raise
