"""Child processes of the commands that train others."""

import os
import signal
import subprocess


def end_process(process: subprocess.Popen) -> None:
    """Ends a process that leads a session of its own, and what belongs to that session.

    Args:
        process: Started with ``start_new_session=True``.
    """
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, sign)
            process.wait(timeout=5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
