"""Parts of the host that ask a run for its progress, where there is no run."""

from mmengine.logging import MessageHub


def begin_progress() -> None:
    """Sets epoch and iteration to 0 unless a run has set them.

    TOOD's head and YOLOX's image sizes read them in training and fail on None.
    """
    hub = MessageHub.get_current_instance()
    for key in ('epoch', 'iter'):
        if hub.get_info(key) is None:
            hub.update_info(key, 0)
