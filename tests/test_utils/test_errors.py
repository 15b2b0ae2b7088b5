"""A user's mistake stays one readable line wherever it is raised."""

import copy
import pickle

import pytest
from torch import distributed
from torch.utils.data import DataLoader, Dataset

from mmkd.engine.readable_errors import run_readably
from mmkd.testing import in_two_processes
from mmkd.utils import errors
from mmkd.utils.errors import UserError, UserFileNotFoundError

KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, UserError)
]


def test_the_message_is_composed_of_its_parts():
    error = UserError('a.b=-1', 'must be >= 0', 'correct it')
    assert str(error) == 'a.b=-1 must be >= 0: correct it.'
    assert (error.setting, error.problem, error.remedy) == ('a.b=-1', 'must be >= 0', 'correct it')


def test_there_may_be_no_remedy():
    assert str(UserError('a.b', 'must be >= 0')) == 'a.b must be >= 0.'


@pytest.mark.parametrize(
    'kind, plain',
    [
        ('UserError', ValueError),
        ('UserTypeError', TypeError),
        ('UserImportError', ImportError),
        ('UserNotImplementedError', NotImplementedError),
        ('UserOSError', OSError),
        ('UserFileNotFoundError', FileNotFoundError),
        ('UserFileExistsError', FileExistsError),
        ('UserConnectionError', ConnectionError),
        ('UserChildProcessError', ChildProcessError),
    ],
)
def test_each_is_caught_as_the_plain_error_it_stands_for(kind, plain):
    assert issubclass(getattr(errors, kind), plain)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('copied', [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_it_survives_pickling_with_its_parts(kind, copied):
    error = copied(kind('a', 'is b', 'do c'))
    assert type(error) is kind and str(error) == 'a is b: do c.'
    assert (error.setting, error.problem, error.remedy) == ('a', 'is b', 'do c')


@pytest.mark.parametrize('kind', KINDS)
def test_it_survives_being_built_from_its_message(kind):
    error = kind(str(kind('a', 'is b', 'do c')))
    assert str(error) == error.problem == 'a is b: do c.' and not error.setting + error.remedy


class Broken(Dataset):
    """A data set whose samples cannot be read."""

    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 2

    def __getitem__(self, index):
        try:
            raise KeyError('cause')
        except KeyError as cause:
            raise self.error from cause


@pytest.mark.parametrize('kind', [UserError, UserFileNotFoundError])
def test_it_stays_one_line_from_a_worker_of_a_data_loader(capsys, kind):
    loader = DataLoader(Broken(kind('a.xml', 'has no size', 'write it anew')), num_workers=1)
    assert run_readably(lambda: list(loader)) == 2
    assert capsys.readouterr().err == 'error: a.xml has no size: write it anew.\n'


def test_a_foreign_error_of_a_worker_keeps_its_traceback():
    with pytest.raises(ValueError, match='Original Traceback'):
        run_readably(lambda: list(DataLoader(Broken(ValueError('x')), num_workers=1)))


def one_of_two() -> int:
    distributed.init_process_group('gloo')
    rank = distributed.get_rank()
    mistake = UserFileNotFoundError('a.json', 'does not exist', 'name it') if rank else None

    def train():
        found = [None, None]
        distributed.all_gather_object(found, mistake)
        raise found[1]

    status = run_readably(train)
    distributed.destroy_process_group()
    return status


def test_it_stays_one_line_in_another_rank(tmp_path):
    assert in_two_processes(one_of_two, log=tmp_path / 'log') == [2, 2]
    for rank in range(2):
        said = (tmp_path / f'log_{rank}').read_text().splitlines()
        assert [line for line in said if 'a.json' in line] == [
            'error: a.json does not exist: name it.'
        ]
