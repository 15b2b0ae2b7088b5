import numpy as np
import pytest
import torch

from mmkd.heads import RFCNHead
from mmkd.modules import PSRoIExtractor
from tests.references import ps_roi

CLASSES, BINS, STRIDE = 3, 3, 16


def build(**kwargs):
    torch.manual_seed(0)
    head = RFCNHead(in_channels=8, num_classes=CLASSES, roi_feat_size=BINS, **kwargs).double()
    for layer in (head.fc_cls, head.fc_reg):
        torch.nn.init.normal_(layer.weight)
        torch.nn.init.normal_(layer.bias)
    return head


def conv(feature, layer):
    weight, bias = (t.detach().numpy() for t in (layer.weight[:, :, 0, 0], layer.bias))
    return np.einsum('dc,bchw->bdhw', weight, feature.numpy()) + bias[:, None, None]


@pytest.mark.parametrize('agnostic', [True, False])
@pytest.mark.parametrize('pool', ['pool', 'align'])
def test_scores_and_boxes_equal_the_reference_pooled_and_voted_apart(pool, agnostic):
    head = build(reg_class_agnostic=agnostic)
    feature = torch.randn(2, 8, 5, 6).double()
    rois = torch.tensor([[0, 3.0, 8.0, 70.0, 61.0], [1, 20.0, 1.0, 88.0, 79.0]]).double()
    extract = PSRoIExtractor(STRIDE, BINS, pool)
    cls_score, bbox_pred = head(extract((head.score_maps(feature),), rois))
    for found, layer, values in (
        (cls_score, head.fc_cls, CLASSES + 1),
        (bbox_pred, head.fc_reg, 4 if agnostic else 4 * CLASSES),
    ):
        maps = conv(feature, layer)
        if pool == 'pool':
            pooled = ps_roi.ps_roi_pool(maps, rois.numpy(), BINS, 1 / STRIDE)
        else:
            pooled = ps_roi.ps_roi_align(maps, rois.numpy(), BINS, 1 / STRIDE, 2)
        assert found.shape == (2, values) and maps.shape[1] == values * BINS**2
        np.testing.assert_allclose(found.detach(), ps_roi.vote(pooled), rtol=0, atol=1e-6)


def test_a_bin_in_which_the_part_is_missing_takes_its_share_of_the_vote():
    # Logits of class 1 are 9 in every bin but the middle one: the vote is 8.
    feats = torch.zeros(1, CLASSES + 1 + 4, BINS, BINS)
    feats[0, 1] = 9
    feats[0, 1, 1, 1] = 0
    cls_score, _ = RFCNHead(8, CLASSES, BINS)(feats)
    assert cls_score.tolist() == [[0, 8, 0, 0]]


def test_no_roi_gives_no_row():
    cls_score, bbox_pred = build()(torch.zeros(0, CLASSES + 5, BINS, BINS).double())
    assert cls_score.shape == (0, CLASSES + 1) and bbox_pred.shape == (0, 4)


def test_it_has_no_weight_but_the_two_convolutions():
    names = {name for name, _ in RFCNHead(8, CLASSES, BINS).named_parameters()}
    assert names == {
        f'{layer}.{part}' for layer in ('fc_cls', 'fc_reg') for part in ('weight', 'bias')
    }


def test_what_it_sets_itself_cannot_be_set():
    with pytest.raises(ValueError, match=r"sets \['with_cls'\] itself"):
        RFCNHead(8, CLASSES, BINS, with_cls=False)


@pytest.mark.parametrize('setting, message', [
    (dict(roi_feat_size=(3, 3)), r'roi_feat_size must be a whole number >= 1, got \(3, 3\)'),
    (dict(reg_class_agnostic='False'), "reg_class_agnostic must be True or False, got 'False'"),
])  # fmt: skip
def test_settings_of_another_type_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        RFCNHead(8, CLASSES, **setting)
