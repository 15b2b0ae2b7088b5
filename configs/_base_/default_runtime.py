"""MMDetection's runtime, with mmkd imported."""

_base_ = 'mmdet::_base_/default_runtime.py'
custom_imports = dict(imports=['mmkd'], allow_failed_imports=False)
