import hashlib
import importlib.util
import io
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from mmkd.datasets.download import CATALOGUE, DataSet, Item, check, fetch, unpack

TOOL = Path(__file__).resolve().parents[2] / 'tools/download_dataset.py'
CONTENT = bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves files; it can ignore ranges, cut the connection, or answer with an error."""

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.files = {'/a.bin': CONTENT}
        self.cuts = []
        """Bytes after which each of the next answers ends."""
        self.errors = []
        """Status of each of the next answers."""
        self.ranges, self.sends_tag = True, True
        self.asked = []
        """Range header of each request."""

    def url(self, path='/a.bin'):
        return f'http://127.0.0.1:{self.server_port}{path}'


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        wanted = self.headers.get('Range')
        server.asked.append(wanted)
        content = server.files.get(self.path)
        if server.errors or content is None:
            self.send_error(server.errors.pop(0) if server.errors else 404)
            return
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start = 0
        if wanted and server.ranges and self.headers.get('If-Range', tag) == tag:
            start = int(wanted.removeprefix('bytes=').removesuffix('-'))
            if start >= len(content):
                self.send_response(416)
                self.send_header('Content-Range', f'bytes */{len(content)}')
                self.end_headers()
                return
            self.send_response(206)
        else:
            self.send_response(200)
        if server.sends_tag:
            self.send_header('ETag', tag)
        self.send_header('Content-Length', str(len(content) - start))
        self.end_headers()
        end = server.cuts.pop(0) if server.cuts else len(content)
        self.wfile.write(content[start : start + end])


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


def item(server, path='/a.bin', md5=MD5, **more):
    return Item(server.url(path), f'set{path}', md5, **more)


class TestFetching:
    def test_a_file_arrives_whole_and_is_not_fetched_again(self, server, tmp_path):
        seen = []
        path, fetched = fetch(item(server), tmp_path, on_bytes=lambda *both: seen.append(both))
        assert fetched and path == tmp_path / 'set/a.bin' and path.read_bytes() == CONTENT
        assert seen[-1] == (len(CONTENT), len(CONTENT))
        assert fetch(item(server), tmp_path) == (path, False)
        assert len(server.asked) == 1 and [p.name for p in path.parent.iterdir()] == ['a.bin']

    def test_a_cut_transfer_goes_on_where_it_stopped(self, server, tmp_path):
        server.cuts = [100_000, 200_000]
        path, _ = fetch(item(server), tmp_path, wait=0)
        assert path.read_bytes() == CONTENT
        assert server.asked == [None, 'bytes=100000-', 'bytes=300000-']

    def test_a_later_call_continues_the_part_of_an_earlier_one(self, server, tmp_path):
        server.cuts = [100_000]
        with pytest.raises(ConnectionError, match='100000 bytes are in .*a.bin.part; call again'):
            fetch(item(server), tmp_path, retries=0)
        path, _ = fetch(item(server), tmp_path)
        assert path.read_bytes() == CONTENT and server.asked[-1] == 'bytes=100000-'

    def test_a_complete_part_needs_no_more_bytes(self, server, tmp_path):
        part = tmp_path / 'set/a.bin.part'
        part.parent.mkdir()
        part.write_bytes(CONTENT)
        assert fetch(item(server), tmp_path)[0].read_bytes() == CONTENT

    def test_a_server_without_ranges_is_read_from_the_beginning_again(self, server, tmp_path):
        server.ranges, server.cuts = False, [100_000]
        assert fetch(item(server), tmp_path, wait=0)[0].read_bytes() == CONTENT

    @pytest.mark.parametrize('sends_tag', [True, False])
    def test_a_file_that_changed_meanwhile_is_never_mixed(self, server, tmp_path, sends_tag):
        server.cuts, server.sends_tag = [100_000], sends_tag
        with pytest.raises(ConnectionError):
            fetch(item(server), tmp_path, retries=0)
        server.files['/a.bin'] = CONTENT[::-1]
        match = 'not the beginning of what the server has now' if sends_tag else 'its MD5 is'
        with pytest.raises(ValueError, match=match):
            fetch(item(server), tmp_path)
        assert not (tmp_path / 'set/a.bin').exists()
        assert (tmp_path / 'set/a.bin.part').read_bytes()[:100_000] == CONTENT[:100_000]

    def test_errors_of_the_server_are_tried_again_but_a_missing_file_is_not(self, server, tmp_path):
        server.errors = [503, 500]
        assert fetch(item(server), tmp_path, wait=0)[1]
        with pytest.raises(ConnectionError, match='no.bin: the server answers 404'):
            fetch(item(server, '/no.bin'), tmp_path, wait=0)
        assert len(server.asked) == 4

    def test_no_server_at_all_is_an_error_that_names_the_address(self, tmp_path):
        gone = Item('http://127.0.0.1:9/a.bin', 'a.bin')
        with pytest.raises(ConnectionError, match='127.0.0.1:9/a.bin'):
            fetch(gone, tmp_path, retries=1, wait=0)

    def test_a_full_disk_is_noticed_before(self, server, tmp_path, monkeypatch):
        import shutil

        monkeypatch.setattr(
            shutil, 'disk_usage', lambda path: type('', (), dict(free=1000))())  # fmt: skip
        with pytest.raises(OSError, match='make room'):
            fetch(item(server), tmp_path)


class TestChecking:
    def test_a_wrong_checksum_is_named_and_the_file_gets_no_name(self, server, tmp_path):
        with pytest.raises(ValueError, match=f'published is {"0" * 32}: delete it'):
            fetch(item(server, md5='0' * 32), tmp_path)
        assert not (tmp_path / 'set/a.bin').exists()

    def test_a_file_that_is_there_is_checked_and_left_alone(self, server, tmp_path):
        path = tmp_path / 'set/a.bin'
        path.parent.mkdir()
        path.write_bytes(b'mine')
        with pytest.raises(FileExistsError, match='exists but its MD5 .* nothing is overwritten'):
            fetch(item(server), tmp_path)
        assert path.read_bytes() == b'mine' and not server.asked

    @pytest.mark.parametrize('name', ['a.bin.part', 'a.bin.part.etag'])
    def test_a_planted_link_is_not_written_through(self, server, tmp_path, name):
        victim = tmp_path / 'victim'
        victim.write_bytes(b'precious')
        (tmp_path / 'set').mkdir()
        (tmp_path / 'set' / name).symlink_to(victim)
        with pytest.raises(ValueError, match=f'{name} is a link to .*victim.*: remove the link'):
            fetch(item(server), tmp_path)
        assert victim.read_bytes() == b'precious'

    def test_a_zip_without_published_checksum_is_checked_by_its_own(self, server, tmp_path):
        server.files['/a.zip'] = zipped(a=b'one' * 999)
        damaged = bytearray(server.files['/a.zip'])
        damaged[60] ^= 1
        server.files['/b.zip'] = bytes(damaged)
        server.files['/c.zip'] = b'no zip'
        assert fetch(item(server, '/a.zip', None), tmp_path)[1]
        with pytest.raises(ValueError, match='a in it is damaged'):
            fetch(item(server, '/b.zip', None), tmp_path)
        with pytest.raises(ValueError, match='not a zip archive'):
            fetch(item(server, '/c.zip', None), tmp_path)

    @pytest.mark.parametrize('place, value, match', [
        (8, 1, 'a in it cannot be read .*encrypted'),
        (10, 99, 'a in it cannot be read .*compression'),
    ])  # fmt: skip
    def test_a_zip_that_nobody_here_can_read_is_named(self, server, tmp_path, place, value, match):
        content = bytearray(zipped(a=b'one'))
        for signature, shift in ((b'PK\1\2', 0), (b'PK\3\4', -2)):  # both headers of the member
            content[content.index(signature) + place + shift] = value
        server.files['/a.zip'] = bytes(content)
        with pytest.raises(ValueError, match=match):
            fetch(item(server, '/a.zip', None), tmp_path)

    def test_the_check_reports_how_far_it_is(self, server, tmp_path, monkeypatch):
        monkeypatch.setattr(check, '_CHUNK', 400_000)
        server.files['/a.zip'] = zipped(a=bytes(500_000), b=bytes(300_000))
        for wanted, steps in (
            (item(server), [(400_000, 1_024_000), (800_000, 1_024_000), (1_024_000, 1_024_000)]),
            (item(server, '/a.zip', None), [(400_000, 800_000), (500_000, 800_000),
                                            (800_000, 800_000)]),
        ):  # fmt: skip
            for _ in ('fetched', 'there'):
                seen = []
                fetch(wanted, tmp_path, on_check=lambda *both, seen=seen: seen.append(both))
                assert seen == steps

    @pytest.mark.parametrize('place', [45, -90])
    def test_a_damaged_compressed_member_is_named(self, server, tmp_path, place):
        content = np.random.default_rng(0).integers(0, 99, 5000, np.uint8).tobytes()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
            archive.writestr('a', content)
        damaged = bytearray(buffer.getvalue())
        damaged[place] ^= 0xFF
        server.files['/a.zip'] = bytes(damaged)
        with pytest.raises(ValueError, match='a in it is damaged'):
            fetch(item(server, '/a.zip', None), tmp_path)


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace('__', '/'), content)
    return buffer.getvalue()


class TestUnpacking:
    @pytest.fixture(params=['zip', 'tar', 'tar.gz'])
    def archive(self, request, tmp_path):
        path = tmp_path / f'a.{request.param}'
        files = {'set/a.txt': b'one', 'set/deep/b.txt': b'two'}
        if request.param == 'zip':
            path.write_bytes(zipped(**{k.replace('/', '__'): v for k, v in files.items()}))
            return path
        with tarfile.open(path, 'w:gz' if request.param == 'tar.gz' else 'w') as tar:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        return path

    def test_files_are_written_once(self, archive, tmp_path):
        assert unpack(archive, tmp_path / 'out') == (2, 0)
        assert (tmp_path / 'out/set/deep/b.txt').read_text() == 'two'
        assert unpack(archive, tmp_path / 'out') == (0, 2)
        assert archive.exists()

    def test_another_file_is_not_overwritten(self, archive, tmp_path):
        mine = tmp_path / 'out/set/a.txt'
        mine.parent.mkdir(parents=True)
        mine.write_text('mine, and longer')
        with pytest.raises(FileExistsError, match='nothing is overwritten'):
            unpack(archive, tmp_path / 'out')
        assert mine.read_text() == 'mine, and longer'

    def test_no_member_leaves_the_folder(self, tmp_path):
        path = tmp_path / 'a.zip'
        path.write_bytes(zipped(**{'..__evil.txt': b'x'}))
        with pytest.raises(ValueError, match='would leave'):
            unpack(path, tmp_path / 'out')
        assert not (tmp_path / 'evil.txt').exists()

    @pytest.mark.parametrize('spoil', [lambda b: b'<html>', lambda b: b[: min(len(b) // 2, 514)]])
    def test_a_damaged_archive_is_refused_by_name(self, archive, tmp_path, spoil):
        archive.write_bytes(spoil(archive.read_bytes()))
        with pytest.raises(ValueError, match=rf'{archive.name} is damaged .*: move it away and'):
            unpack(archive, tmp_path / 'out')

    @pytest.mark.parametrize('kind', ['SYMTYPE', 'LNKTYPE', 'FIFOTYPE', 'CHRTYPE'])
    def test_what_is_no_file_in_a_tar_is_refused_by_name(self, tmp_path, kind):
        path = tmp_path / 'a.tar'
        with tarfile.open(path, 'w') as tar:
            first = tarfile.TarInfo('set/a.txt')
            tar.addfile(first, io.BytesIO(b''))
            entry = tarfile.TarInfo('set/odd')
            entry.type, entry.linkname = getattr(tarfile, kind), 'set/a.txt'
            tar.addfile(entry)
        with pytest.raises(ValueError, match=r"a.tar holds 'set/odd', which is a link or a device"):
            unpack(path, tmp_path / 'out')
        assert not (tmp_path / 'out').exists()

    @pytest.mark.parametrize('field, value, message', [
        ('external_attr', 0o120777 << 16, 'is a link or a device'),
        ('flag_bits', 1, 'is encrypted'),
        ('compress_type', 99, 'is compressed in an unknown way'),
    ])  # fmt: skip
    def test_so_is_what_a_zip_holds(self, tmp_path, monkeypatch, field, value, message):
        path = tmp_path / 'a.zip'
        path.write_bytes(zipped(a=b'one', odd=b'two'))
        infolist = zipfile.ZipFile.infolist

        def changed(self):
            found = infolist(self)
            setattr(found[1], field, value)
            return found

        monkeypatch.setattr(zipfile.ZipFile, 'infolist', changed)
        with pytest.raises(ValueError, match=rf"a.zip holds 'odd', which {message}"):
            unpack(path, tmp_path / 'out')
        assert not (tmp_path / 'out').exists()

    @pytest.mark.parametrize('first, second', [
        ('set/a.txt', 'set/A.TXT'),
        ('set/a', 'set/a.'),
        ('set/a', './set/a'),
        ('set/a', 'set/a/b'),
        ('set/a/b', 'set/a'),
        ('caf\u00e9', 'cafe\u0301'),
    ])  # fmt: skip
    def test_names_that_are_one_place_somewhere_are_refused(self, tmp_path, first, second):
        path = tmp_path / 'a.tar'
        with tarfile.open(path, 'w') as tar:
            for name in (first, second):
                tar.addfile(tarfile.TarInfo(name), io.BytesIO(b''))
        with pytest.raises(ValueError, match='a.tar holds .* and .*, which are one place'):
            unpack(path, tmp_path / 'out')
        assert not (tmp_path / 'out').exists()

    def test_a_planted_part_is_not_followed(self, archive, tmp_path):
        victim, out = tmp_path / 'victim', tmp_path / 'out/set'
        victim.write_text('precious')
        out.mkdir(parents=True)
        (out / 'a.txt.part').symlink_to(victim)
        assert unpack(archive, tmp_path / 'out') == (2, 0)
        assert victim.read_text() == 'precious' and (out / 'a.txt').read_text() == 'one'

    def test_a_member_that_breaks_leaves_nothing_half_written(self, tmp_path):
        path = tmp_path / 'a.zip'
        content = bytearray(zipped(a=b'one' * 99))
        content[60] ^= 1
        path.write_bytes(bytes(content))
        with pytest.raises(ValueError, match='a.zip is damaged'):
            unpack(path, tmp_path / 'out')
        assert list((tmp_path / 'out').iterdir()) == []

    def test_another_kind_of_file_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match='a.rar is none of'):
            unpack(tmp_path / 'a.rar', tmp_path)


class TestCatalogue:
    def test_addresses_and_places_are_well_formed(self):
        items = [item for dataset in CATALOGUE.values() for item in dataset.items]
        assert all(item.url.startswith(('http://', 'https://')) for item in items)
        assert len({item.path for item in items}) == len({item.url for item in items}) == len(items)
        assert all(item.md5 is None or len(item.md5) == 32 for item in items)
        assert len(CATALOGUE['objects365v2'].items) == 97

    def test_what_our_configs_read_is_unpacked_where_they_look(self):
        places = {i.name: i.unpack for name in ('coco2017', 'kitti') for i in CATALOGUE[name].items}
        assert places['val2017.zip'] == 'coco' and places['data_object_image_2.zip'] == 'kitti'
        assert CATALOGUE['voc2007'].items[0].unpack == '.'  # the archive holds VOCdevkit/


class TestTheTool:
    @pytest.fixture
    def tool(self, monkeypatch, server):
        spec = importlib.util.spec_from_file_location('download_dataset_tool', TOOL)
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
        server.files['/a.zip'] = zipped(set__a=b'one')
        items = (item(server), item(server, '/a.zip', None, unpack='here'))
        monkeypatch.setitem(CATALOGUE, 'mine', DataSet('mine', 'mine alone', items))
        return tool

    def run(self, tool, *arguments):
        from rich.console import Console

        console = Console(file=io.StringIO(), width=200)
        tool.run(tool.parse_args([str(a) for a in arguments]), console)
        return console.file.getvalue()

    def test_it_fetches_checks_and_unpacks(self, tool, tmp_path):
        said = self.run(tool, 'mine', '--root', tmp_path, '--unpack')
        assert 'a.bin: downloaded, MD5 as published' in said and '1 files unpacked' in said
        assert (tmp_path / 'here/set/a').read_text() == 'one'
        again = self.run(tool, 'mine', '--root', tmp_path, '--unpack', '--only', 'a.zip')
        assert 'a.zip: was there, no checksum is published' in again and 'a.bin' not in again

    def test_on_a_terminal_the_check_has_a_bar_of_its_own(self, tool, tmp_path):
        from rich.console import Console

        console = Console(file=io.StringIO(), width=120, force_terminal=True)
        tool.run(tool.parse_args(['mine', '--root', str(tmp_path), '--only', 'a.bin']), console)
        assert 'checking a.bin' in console.file.getvalue()
        assert 'checking' not in self.run(tool, 'mine', '--root', tmp_path)

    def test_it_says_why_it_waits(self, tool, tmp_path, server, monkeypatch):
        pauses = []
        monkeypatch.setattr('time.sleep', pauses.append)
        server.errors = [503]
        said = self.run(tool, 'mine', '--root', tmp_path, '--only', 'a.bin')
        assert 'a.bin: the server answers 503; trying again in 2 s.' in said and pauses == [2]

    def test_it_lists_and_refuses(self, tool, capsys):
        assert 'mine alone' in self.run(tool, '--list')
        for arguments in ([], ['yours']):
            with pytest.raises(SystemExit):
                tool.parse_args(arguments)
        assert 'yours: not among' in capsys.readouterr().err
        for arguments, match in (
            (('--only', 'b.zip'), '--only b.zip: mine has a.bin, a.zip'),
            (('--retries', '-1'), '--retries must be >= 0, got -1'),
        ):
            with pytest.raises(SystemExit) as ended:
                self.run(tool, 'mine', *arguments)
            assert ended.value.code == 2 and match in capsys.readouterr().err
