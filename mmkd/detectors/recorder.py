"""Records what a detector computes anyway, during its own ``loss`` call.

Forward hooks and wrapped bound methods live only inside the ``with`` block: a deep copy of the
detector carries none of them, no method of the host is copied, and nothing is computed twice.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mmkd.observation import Observation, Priors, RoIOutput, RPNOutput


def dense_head(detector: nn.Module) -> nn.Module | None:
    """The head that answers on every cell: the RPN, or a one-stage detector's head."""
    return getattr(detector, 'rpn_head', None) or getattr(detector, 'bbox_head', None)


def offered_fields(detector: nn.Module) -> frozenset[str]:
    """The :class:`Observation` fields that can be had from a detector."""
    fields = {'backbone', 'features'}
    generator = getattr(dense_head(detector), 'prior_generator', None)
    if hasattr(generator, 'base_anchors'):
        fields.add('priors')
    if getattr(detector, 'rpn_head', None) is not None:
        fields |= {'rpn', 'proposals', 'rpn_bbox_coder'}
    if generator is not None:
        fields |= {'dense', 'proposals'}
    if _has_plain_roi_head(detector):
        fields |= {'rois', 'bbox_coder'}
    return frozenset(fields)


def _has_plain_roi_head(detector: nn.Module) -> bool:
    head = getattr(getattr(detector, 'roi_head', None), 'bbox_head', None)
    return isinstance(head, nn.Module) and not isinstance(head, nn.ModuleList)


@contextmanager
def record(detector: nn.Module) -> Iterator[dict[str, Any]]:
    """Yields a dict that fills while the detector's ``loss`` runs; only references are kept."""
    seen: dict[str, Any] = {}
    with ExitStack() as stack:
        _hook(stack, detector.backbone, lambda args, out: _first(seen, 'backbone', _as_tuple(out)))
        if getattr(detector, 'with_neck', False):
            _hook(stack, detector.neck, lambda args, out: _first(seen, 'neck', _as_tuple(out)))
        if hasattr(dense_head(detector), 'get_anchors'):
            _tap(stack, dense_head(detector), 'get_anchors', lambda a, out: _anchors(seen, out))
        if dense_head(detector) is not None:
            _hook(stack, dense_head(detector), lambda args, out: _first(seen, 'dense', out))
        if getattr(detector, 'rpn_head', None) is not None:
            _record_rpn(stack, detector.rpn_head, seen)
        if _has_plain_roi_head(detector):
            _record_rois(stack, detector.roi_head, seen)
        yield seen


def _record_rpn(stack: ExitStack, head: nn.Module, seen: dict[str, Any]) -> None:
    _tap(stack, head, 'get_targets', lambda args, out: _first(seen, 'rpn_targets', out))
    # The RoI head empties the proposals that it is given, so their boxes are kept now.
    _tap(
        stack,
        head,
        'predict_by_feat',
        lambda args, out: _first(seen, 'proposals', [_tensor(result.bboxes) for result in out]),
    )


def _record_rois(stack: ExitStack, roi_head: nn.Module, seen: dict[str, Any]) -> None:
    # The last call before the targets: OHEMSampler runs both on candidates first.
    _hook(stack, roi_head.bbox_roi_extractor, lambda args, out: _until_targets(seen, rois=args[1]))
    _hook(
        stack,
        roi_head.bbox_head,
        lambda args, out: _until_targets(seen, bbox=(args[0], out[0], out[1])),
    )
    _tap(
        stack,
        roi_head.bbox_head,
        'get_targets',
        lambda args, out: _first(seen, 'bbox_targets', out),
    )


def student_observation(detector: nn.Module, seen: dict[str, Any]) -> Observation:
    """The student's side: fields return what :func:`record` kept, the ``losses`` and ``metas``."""
    sources: dict[str, Callable[[Observation], Any]] = {
        'backbone': lambda _: seen['backbone'],
        'features': lambda _: seen.get('neck', seen['backbone']),
        'losses': lambda _: seen['losses'],
    }
    fields = offered_fields(detector)
    if 'priors' in fields:
        sources['priors'] = lambda _: _priors(detector, seen)
    if 'rpn' in fields:
        sources['rpn'] = lambda _: RPNOutput(
            seen['dense'][0], seen['dense'][1], seen['anchors'][0], seen['rpn_targets']
        )
        sources['rpn_bbox_coder'] = lambda _: detector.rpn_head.bbox_coder
    if 'dense' in fields:
        sources['dense'] = lambda _: seen['dense']
    if 'proposals' in fields:
        sources['proposals'] = lambda _: _proposals(detector, seen)
    if 'rois' in fields:
        sources['rois'] = lambda _: _roi_output(seen)
        sources['bbox_coder'] = lambda _: detector.roi_head.bbox_head.bbox_coder
    return Observation(**sources)


def _proposals(detector: nn.Module, seen: dict[str, Any]) -> list[Tensor]:
    if 'proposals' in seen:
        return seen['proposals']
    return best_boxes(detector, seen['dense'], seen['metas'])


@torch.no_grad()
def best_boxes(detector: nn.Module, outputs: Any, metas: Sequence[dict]) -> list[Tensor]:
    """Per image (P, 4): what the dense head proposes after NMS, best first, at most 1000.

    With the head's test settings, but no box of a one-stage detector is dropped for a low score.

    Args:
        detector: The detector whose RPN or one-stage head has answered.
        outputs: What that head returned.
        metas: Metainfo of each image.
    """
    head: Any = dense_head(detector)
    settings = copy.deepcopy(head.test_cfg)
    if 'score_thr' in settings:
        settings.update(score_thr=0.0, max_per_img=1000)
    found = head.predict_by_feat(*outputs, batch_img_metas=list(metas), cfg=settings)
    return [_tensor(result.bboxes) for result in found]


def _roi_output(seen: dict[str, Any]) -> RoIOutput:
    bbox_feats, cls_score, bbox_pred = seen['bbox']
    return RoIOutput(seen['rois'], bbox_feats, cls_score, bbox_pred, seen['bbox_targets'])


def _priors(detector: nn.Module, seen: dict[str, Any]) -> Priors:
    features = seen.get('neck', seen['backbone'])
    if 'anchors' in seen:
        anchors, valid = seen['anchors']
        flags = [torch.stack(level) for level in zip(*valid, strict=True)]
        return _on_every_map(Priors(anchors[0], flags), features)
    generator = dense_head(detector).prior_generator
    sizes = [tuple(level.shape[-2:]) for level in features]
    anchors = [_tensor(a) for a in generator.grid_priors(sizes, device=features[0].device)]
    everywhere = [a.new_ones(len(features[0]), len(a), dtype=torch.bool) for a in anchors]
    return Priors(anchors, everywhere)


def _on_every_map(priors: Priors, features: tuple[Tensor, ...]) -> Priors:
    """An RPN that reads one of several maps has its anchors on each: the maps share a grid."""
    maps = len(features)
    if len(priors.anchors) != 1 or maps == 1:
        return priors
    sizes = [tuple(level.shape[-2:]) for level in features]
    if len(set(sizes)) > 1:
        raise ValueError(
            f'The RPN reads one map of several, of sizes {sizes}: its anchors are on no grid of '
            'the others. Give the maps one stride, or the RPN all of them.'
        )
    return Priors(priors.anchors * maps, priors.valid * maps)


def _anchors(seen: dict[str, Any], out: tuple) -> None:
    anchor_list, valid_list = out
    # New outer and inner lists: some heads overwrite the entries of those that they are given.
    anchors = [[_tensor(level) for level in image] for image in anchor_list]
    _first(seen, 'anchors', (anchors, [list(image) for image in valid_list]))


def _first(seen: dict[str, Any], key: str, value: Any) -> None:
    seen.setdefault(key, value)


def _until_targets(seen: dict[str, Any], **values: Any) -> None:
    """Keeps the latest call before the targets; a mask head may use the extractor again."""
    if 'bbox_targets' not in seen:
        seen.update(values)


def _tensor(boxes: Any) -> Tensor:
    return boxes if isinstance(boxes, Tensor) else boxes.tensor


def _as_tuple(maps: Any) -> tuple[Tensor, ...]:
    return tuple(maps) if isinstance(maps, (tuple, list)) else (maps,)


def _hook(stack: ExitStack, module: nn.Module, keep: Callable[[tuple, Any], None]) -> None:
    handle = module.register_forward_hook(lambda module, args, out: keep(args, out))
    stack.callback(handle.remove)


def _tap(
    stack: ExitStack, module: nn.Module, name: str, keep: Callable[[tuple, Any], None]
) -> None:
    method = getattr(module, name)

    def tapped(*args: Any, **kwargs: Any) -> Any:
        out = method(*args, **kwargs)
        keep(args, out)
        return out

    module.__dict__[name] = tapped
    stack.callback(module.__dict__.pop, name)
