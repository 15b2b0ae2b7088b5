"""A headless Chromium, driven over a pipe with the DevTools protocol; no package is needed."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

_NAMES = ('chromium', 'chromium-browser', 'google-chrome')
_OPTIONS = (
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-dev-shm-usage',
    '--hide-scrollbars',
    '--remote-debugging-pipe',
)


def find_chromium() -> str | None:
    """The browser's path, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class Page:
    """One page of a browser of its own; use it as a context manager.

    Attributes:
        errors: Exceptions, console errors and failed loads since the page was opened.
        requests: Addresses that it asked for, ``data:`` left out.

    Args:
        profile: New folder for the browser's profile.
        size: (width, height) of the window, CSS pixels.
        seconds: To wait for an answer.
    """

    def __init__(
        self, profile: Path, size: tuple[int, int] = (1200, 900), seconds: float = 60
    ) -> None:
        self.profile, self.size, self.seconds = profile, size, seconds
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._events: list[str] = []
        self._number, self._buffer, self._session = 0, b'', ''

    def __enter__(self) -> 'Page':
        browser = find_chromium()
        assert browser is not None
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # Chromium reads descriptor 3 and writes descriptor 4; the shell puts them there.
        script = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        options = [*_OPTIONS, f'--user-data-dir={self.profile}', f'--window-size={_csv(self.size)}']
        self._process = subprocess.Popen(
            ['bash', '-c', script, 'bash', browser, *options, 'about:blank'],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        attached = self.call('Target.attachToTarget', targetId=target, flatten=True)
        self._session = attached['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.call(f'{domain}.enable')
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def open(self, path: Path) -> None:
        """Opens a file and waits until it is loaded."""
        self.call('Page.navigate', url=path.resolve().as_uri())
        end = time.monotonic() + self.seconds
        while 'Page.loadEventFired' not in self._events:
            self._take(end)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.call('Runtime.evaluate', expression=expression, returnByValue=True)
        if 'exceptionDetails' in answer:
            raise RuntimeError(str(answer['exceptionDetails']))
        return answer['result'].get('value')

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        answer = self.call('Page.captureScreenshot', captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer['data']))

    def call(self, method: str, **params: Any) -> dict:
        """One call of the protocol and its answer.

        Raises:
            TimeoutError: The browser does not answer.
            RuntimeError: It answers with an error.
        """
        self._number += 1
        message = dict(id=self._number, method=method, params=params)
        if self._session:
            message['sessionId'] = self._session
        os.write(self._write, json.dumps(message).encode() + b'\0')
        end = time.monotonic() + self.seconds
        while True:
            answer = self._take(end)
            if answer.get('id') == self._number:
                if 'error' in answer:
                    raise RuntimeError(f'{method}: {answer["error"]}')
                return answer['result']

    def _take(self, end: float) -> dict:
        while b'\0' not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                raise TimeoutError(f'the browser is silent for {self.seconds} s')
            data = os.read(self._read, 1 << 16)
            if not data:
                raise RuntimeError('the browser has ended')
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b'\0')
        message = json.loads(text)
        self._note(message)
        return message

    def _note(self, message: dict) -> None:
        method, params = message.get('method', ''), message.get('params', {})
        self._events.append(method)
        if method == 'Runtime.exceptionThrown':
            self.errors.append(str(params['exceptionDetails']))
        elif method == 'Runtime.consoleAPICalled' and params['type'] in ('error', 'warning'):
            self.errors.append(str(params['args']))
        elif method == 'Log.entryAdded' and params['entry']['level'] in ('error', 'warning'):
            self.errors.append(str(params['entry']))
        elif method == 'Network.requestWillBeSent':
            address = params['request']['url']
            if not address.startswith('data:'):
                self.requests.append(address)


def _csv(size: tuple[int, int]) -> str:
    return f'{size[0]},{size[1]}'
