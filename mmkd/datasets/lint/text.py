"""Text files that may not be text."""

from pathlib import Path


def read_text(path: str | Path) -> str:
    """The text of a file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be opened, or is not text in UTF-8.
    """
    try:
        return Path(path).read_text(encoding='utf-8')
    except FileNotFoundError:
        raise FileNotFoundError(f'{path} does not exist.') from None
    except OSError as error:
        raise ValueError(f'{path} cannot be read: {error.strerror}.') from None
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not text in UTF-8: {error}.') from None
