"""A user's mistake as a message; a programmer's with its traceback."""

import dis
import sys
from collections.abc import Callable
from types import TracebackType

from mmkd.compat import printable

_RAISE = dis.opmap['RAISE_VARARGS']
_KINDS = (ValueError, TypeError, OSError, ImportError, NotImplementedError)
USER_ERROR_STATUS = 2


def run_readably(main: Callable[[], None]) -> int:
    """Runs a command; an error that mmkd raised on purpose is printed without its traceback.

    Args:
        main: The command.

    Returns:
        Exit status: 0, or 2 where the user's input was wrong, as argparse has it. Any other
        error passes through, so that Python prints its traceback and exits with status 1.
    """
    try:
        main()
    except _KINDS as error:
        if not _raised_by_mmkd(error.__traceback__):
            raise
        print(f'error: {printable(_text(error))}', file=sys.stderr, flush=True)
        return USER_ERROR_STATUS
    return 0


def _raised_by_mmkd(trace: TracebackType | None) -> bool:
    """Whether a ``raise`` statement of this package is where the error began.

    Its checks are statements that somebody wrote a message for. An error that a library or the
    interpreter raised below one of our lines is unexpected, and its traceback is worth having.
    """
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    frame = trace.tb_frame
    ours = frame.f_globals.get('__name__', '').split('.')[0] == 'mmkd'
    return ours and frame.f_code.co_code[trace.tb_lasti] == _RAISE


def _text(error: BaseException) -> str:
    """The message; an OSError made from a number and a text shows the text."""
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    return str(error)
