"""Files at addresses: one cached file an address, whole or not at all, and no waiting for ever."""

import hashlib
import http.server
import io
import socket
import struct
import threading
import time
import zipfile
from pathlib import Path

import pytest
import torch

from mmkd.compat import (
    DamagedCheckpointError,
    UnsafeCheckpointError,
    download,
    load_checkpoint_file,
)


def saved(number, size=3):
    file = io.BytesIO()
    torch.save(dict(state_dict=dict(w=torch.full((size,), float(number)))), file)
    return file.getvalue()


def zipped(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as archive:
        archive.writestr(name, content)
    return file.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends ``server.bodies[path]``, in the manner that the path names."""

    def do_GET(self):
        self.server.asked.append(self.path)
        body, manner = self.server.bodies.get(self.path), Path(self.path).stem
        if manner == 'silent':
            return self.server.done.wait(10)
        if manner == 'closed':
            return self.connection.close()
        if body is None:
            return self.send_error(404)
        self.send_response(200)
        if manner == 'chunked':
            self.send_header('Transfer-Encoding', 'chunked')
        elif manner != 'unannounced':
            self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if manner == 'chunked':
            self.wfile.write(b'%x\r\n' % 1000 + body[:500])
        elif manner in ('cut', 'unannounced', 'reset', 'hanging'):
            self.wfile.write(body[: len(body) // 2])
        else:
            self.wfile.write(body)
        if manner == 'hanging':
            self.server.done.wait(10)
        elif manner == 'reset':
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            self.connection.close()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr(download, '_TIMEOUT', 0.3)
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.bodies, server.asked, server.done = {}, [], threading.Event()
    threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True).start()
    server.url = f'http://127.0.0.1:{server.server_port}'
    server.cache = tmp_path / 'hub/checkpoints'
    yield server
    server.done.set()
    server.shutdown()
    server.server_close()


def first(checkpoint):
    return checkpoint['state_dict']['w'][0].item()


def test_two_addresses_with_one_name_are_two_files(server):
    paths = ('/a/epoch_1.pth', '/b/epoch_1.pth', '/b/epoch_1.pth?version=2')
    server.bodies = {path: saved(number) for number, path in enumerate(paths)}
    for _ in range(2):
        assert [first(load_checkpoint_file(server.url + path)) for path in paths] == [0, 1, 2]
    assert server.asked == list(paths) and len(list(server.cache.iterdir())) == 3


@pytest.mark.parametrize(
    'manner', ['cut', 'chunked', 'unannounced', 'reset', 'closed', 'hanging', 'silent', 'absent']
)
def test_a_file_that_did_not_come_whole_is_explained_and_not_kept(server, manner):
    url = f'{server.url}/{manner}.pth'
    server.bodies = {} if manner == 'absent' else {f'/{manner}.pth': saved(1, 10_000)}
    begun = time.monotonic()
    with pytest.raises((OSError, DamagedCheckpointError), match=f'The checkpoint {url} cannot be'):
        load_checkpoint_file(url)
    assert time.monotonic() - begun < 5 and not any(server.cache.iterdir())


def test_a_zip_replaces_no_other_file(server):
    server.bodies = {
        '/victim.pth': saved(1),
        '/other.pth': zipped('victim.pth', saved(666)),
        '/up.pth': zipped('../victim.pth', saved(666)),
    }
    assert first(load_checkpoint_file(f'{server.url}/victim.pth')) == 1
    for name in ('other', 'up'):
        with pytest.raises(DamagedCheckpointError, match='a zip archive of other files'):
            load_checkpoint_file(f'{server.url}/{name}.pth')
    assert first(load_checkpoint_file(f'{server.url}/victim.pth')) == 1
    assert len([path for path in server.cache.rglob('*') if path.is_file()]) == 1


def test_torch_hubs_own_file_is_taken_where_its_name_tells_its_hash(server):
    good, other = saved(7), saved(8)
    digest = hashlib.sha256(good).hexdigest()[:8]
    server.cache.mkdir(parents=True)
    for name, there in (
        (f'net-{digest}.pth', good),
        (f'bad-{digest}.pth', other),
        ('plain.pth', other),
    ):
        (server.cache / name).write_bytes(there)
        server.bodies[f'/{name}'] = saved(1)
    assert first(load_checkpoint_file(f'{server.url}/net-{digest}.pth')) == 7
    assert first(load_checkpoint_file(f'{server.url}/bad-{digest}.pth')) == 1
    assert first(load_checkpoint_file(f'{server.url}/plain.pth')) == 1
    assert (server.cache / 'plain.pth').read_bytes() == other


def test_a_cached_file_that_was_damaged_since_is_named(server):
    server.bodies = {'/a.pth': saved(1)}
    load_checkpoint_file(f'{server.url}/a.pth')
    (cached,) = server.cache.iterdir()
    cached.write_bytes(b'PK\x03\x04')
    with pytest.raises(DamagedCheckpointError, match=f'/a.pth .cached as {cached}. cannot be read'):
        load_checkpoint_file(f'{server.url}/a.pth')


def test_a_name_from_an_address_stays_in_the_folder(server):
    for path in ('/..', '/%2e%2e%2fa.pth', '/' + 'a' * 300 + '.pth', '/a b;c.pth', '/'):
        place = download._place(server.url + path, server.cache)
        assert place.parent == server.cache and len(place.name) < 130
    assert download._place('http://', server.cache).name.startswith('checkpoint.at-')


@pytest.mark.parametrize(
    'url',
    ['http://', 'https://[', 'http://127.0.0.1:1/x.pth', 'http://127.0.0.1:x/', 's3://a/b.pth'],
)
def test_an_address_that_cannot_be_asked_is_named(server, url):
    with pytest.raises(OSError) as found:
        load_checkpoint_file(url)
    assert str(found.value).startswith(f'The checkpoint {url} cannot be fetched: ')


def test_a_malicious_file_is_not_kept(server):
    class Malicious:
        def __reduce__(self):
            return print, ('it ran',)

    file = io.BytesIO()
    torch.save(dict(meta=Malicious()), file)
    server.bodies = {'/evil.pth': file.getvalue()}
    with pytest.raises(UnsafeCheckpointError, match='evil.pth was refused'):
        load_checkpoint_file(f'{server.url}/evil.pth')
    assert not any(server.cache.iterdir())
