"""Mistakes of users as exceptions: a command prints one as a line, without its traceback.

Whatever mmkd refuses on purpose is a :class:`UserError`; so may be what a method or a data set from
outside refuses. Any other error keeps its traceback.
"""


class UserError(ValueError):
    """What a user set, gave or stored cannot be used.

    ``str()`` is one message: ``SETTING PROBLEM: REMEDY.``, whose parts are attributes; without a
    problem ``setting`` is the whole message. The type can be built from that message alone, as
    MMEngine does and torch with what a worker of a data loader raised; of torch's text, which is
    the worker's whole traceback, the message is kept.
    """

    def __init__(self, setting: str, problem: str = '', remedy: str = '') -> None:
        if problem:
            message = f'{setting} {problem}{": " * bool(remedy)}{remedy}.'
        else:
            cls = type(self)
            message = setting.rpartition(f'\n{cls.__module__}.{cls.__qualname__}: ')[2].rstrip('\n')
            setting, problem = '', message
        super().__init__(message)
        self.setting, self.problem, self.remedy = setting, problem, remedy


class UserTypeError(UserError, TypeError):
    """A value of a wrong type."""


class UserNotImplementedError(UserError, NotImplementedError):
    """What this installation, or a class, does not offer."""


class UserImportError(UserError, ImportError):
    """A package that a setting needs is not installed."""


class UserOSError(UserError, OSError):
    """A file that cannot be read, written or fetched."""


class UserFileNotFoundError(UserOSError, FileNotFoundError):
    """A file or folder that does not exist."""


class UserFileExistsError(UserOSError, FileExistsError):
    """A file or folder that would be overwritten."""


class UserConnectionError(UserOSError, ConnectionError):
    """A server that does not give what is asked for."""


class UserChildProcessError(UserOSError, ChildProcessError):
    """A training that a command started and that failed."""
