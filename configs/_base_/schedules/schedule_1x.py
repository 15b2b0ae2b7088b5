"""MMDetection's twelve epochs of COCO."""

_base_ = 'mmdet::_base_/schedules/schedule_1x.py'
