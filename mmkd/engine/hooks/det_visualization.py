"""Pictures of detections, one for each image."""

import os.path as osp
from collections.abc import Sequence
from typing import Any

from mmdet.engine.hooks import DetVisualizationHook as HostDetVisualizationHook
from mmengine.runner import Runner

from mmkd.registry import HOOKS


@HOOKS.register_module()
class DetVisualizationHook(HostDetVisualizationHook):
    """MMDetection's, for images of one name in several folders.

    The host names a picture after the image's file alone, so that the second of two such images
    replaces the picture of the first. Here the pictures of a set whose images lie in several
    folders lie in the same folders, below the one that the images have in common.

    Arguments are the host's.
    """

    test_out_dir: str | None

    def before_test(self, runner: Runner) -> None:
        """Finds the folder that the images have in common."""
        dataset = runner.test_dataloader.dataset
        images = (dataset.get_data_info(index)['img_path'] for index in range(len(dataset)))
        folders = {osp.dirname(osp.abspath(image)) for image in images}
        self._common = osp.commonpath(folders) if folders else ''

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[Any]
    ) -> None:
        """Draws image by image, each into its folder."""
        out_dir = self.test_out_dir
        for sample in outputs:
            if out_dir is not None:
                folder = osp.dirname(osp.abspath(sample.img_path))
                self.test_out_dir = osp.normpath(
                    osp.join(out_dir, osp.relpath(folder, self._common))
                )
            super().after_test_iter(runner, batch_idx, data_batch, [sample])
        self.test_out_dir = out_dir
