"""Child processes of the commands that train others."""

import os
import signal
import subprocess


def end_process(process: subprocess.Popen) -> None:
    """Ends a process started with ``start_new_session=True``, and what belongs to its session."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, sign)
            process.wait(timeout=5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
