"""The ``mmkd`` scope: child registries of MMEngine's roots.

A type written ``mmkd.Name`` in a config is found here from any scope; a type without a scope is
looked up in MMDetection's registries, as the configs' ``default_scope = 'mmdet'`` says.
"""

from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import TASK_UTILS as MMENGINE_TASK_UTILS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import Registry

MODELS = Registry('model', parent=MMENGINE_MODELS, scope='mmkd')
DATASETS = Registry('dataset', parent=MMENGINE_DATASETS, scope='mmkd')
DATA_SAMPLERS = Registry('data sampler', parent=MMENGINE_DATA_SAMPLERS, scope='mmkd')
TRANSFORMS = Registry('transform', parent=MMENGINE_TRANSFORMS, scope='mmkd')
METRICS = Registry('metric', parent=MMENGINE_METRICS, scope='mmkd')
# Pictures need matplotlib, which is imported when the first hook is looked up.
HOOKS = Registry(
    'hook', parent=MMENGINE_HOOKS, scope='mmkd', locations=['mmkd.engine', 'mmkd.visualization']
)
TASK_UTILS = Registry('task util', parent=MMENGINE_TASK_UTILS, scope='mmkd')
FIELDS = Registry('field', scope='mmkd')
"""What two detectors can be compared on; see :class:`mmkd.fields.Field`."""
