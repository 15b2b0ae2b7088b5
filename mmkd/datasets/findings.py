"""What is wrong with the files of a split, collected and said at once."""

from collections import Counter
from collections.abc import Callable, Sequence

from mmengine.dataset import BaseDataset
from mmengine.fileio import isfile

from ..utils.errors import UserError, UserFileNotFoundError

SHOWN = 10


class ReadsSplit(BaseDataset):
    """What data sets share that a file of names lists."""

    def _there(self, path: str) -> bool:
        return isfile(path, backend_args=self.backend_args)

    def _refuse_absent(self, remedy: str) -> None:
        """The split file must exist."""
        if not self._there(self.ann_file):
            raise UserFileNotFoundError(f'ann_file={self.ann_file!r} does not exist: {remedy}.')

    def _refuse_none(self, kept: list[dict], what: str) -> list[dict]:
        """The records that are kept of the split, of which there must be one."""
        if not kept:
            raise UserError(
                f'No {what} is left of ann_file={self.ann_file!r} ({len(self.data_list)} listed, '
                f'filter_cfg={self.filter_cfg}): check the split file and filter_cfg.'
            )
        return kept


class Findings:
    """What the files of ``split``, a list, got wrong; boxes dropped or cut on the user's word."""

    def __init__(self, split: str) -> None:
        self.split = split
        self.problems: list[str] = []
        self.dropped: Counter[str] = Counter()

    def problem(self, path: str, what: str, remedy: str) -> None:
        """Note one mistake in the file ``path``."""
        self.problems.append(f'{path}: {what}; {remedy}.')

    def absent(self, paths: Sequence[str], there: Callable[[str], bool], what: str) -> bool:
        """Whether a file is missing; each is noted, with ``what`` to take off the split."""
        missing = [path for path in paths if not there(path)]
        for path in missing:
            self.problem(path, 'no such file', f'add it or take its {what} off the split')
        return bool(missing)

    def raise_problems(self) -> None:
        """Raise a ValueError that lists the first ten problems, if there is any."""
        if not self.problems:
            return
        lines = self.problems[:SHOWN]
        if len(self.problems) > SHOWN:
            lines.append(f'... and {len(self.problems) - SHOWN} more.')
        count = f'{len(self.problems)} problem' + 's' * (len(self.problems) > 1)
        raise UserError(f'{self.split}: {count} in its files\n  ' + '\n  '.join(lines))

    def dropped_summary(self) -> str:
        """One sentence: how many boxes were dropped or cut, and in which files."""
        files = [f'{path} ({count})' for path, count in list(self.dropped.items())[:SHOWN]]
        if len(self.dropped) > SHOWN:
            files.append(f'and {len(self.dropped) - SHOWN} more files')
        total = sum(self.dropped.values())
        return f'{self.split}: {total} bad box(es) dropped or clipped: ' + ', '.join(files)
