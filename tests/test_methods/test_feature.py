"""Aligner, region and formula of a feature method are parts that a config changes or replaces."""

import pytest
import torch
from torch import nn

from mmkd.losses import HintLoss
from mmkd.methods import FGFI, FeatureMethod, Hint, ProposalMimic, QuantizationMimic
from mmkd.modules import DeconvAdapter, FeatureAligner, ImitationRegion
from mmkd.observation import total_loss
from mmkd.registry import MODELS
from mmkd.testing.batches import demo_batch
from mmkd.testing.detectors import tiny_retinanet_cfg
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.observations import batch_of, info_of, observe_maps

STRIDES, SHAPE = (8, 16), (32, 48)
BOXES = [
    torch.tensor([[2.0, 3, 16, 17], [10, 0, 45, 30]]).double(),
    torch.tensor([[20.0, 8, 36, 24]]).double(),
]


class LeftColumns:
    """A region of a user's own: the first columns of every map."""

    def __init__(self, columns=1):
        self.columns = columns

    def setup(self, student, strides, target_strides):
        self.strides = list(strides), list(target_strides)
        return frozenset({'features'})

    def __call__(self, student, batch, levels, sizes):
        masks = []
        for level, size in zip(levels, sizes, strict=True):
            mask = torch.zeros(len(student.features[level]), *size, dtype=torch.bool)
            mask[..., : self.columns] = True
            masks.append(mask)
        return masks


class LeftOfFirstAnchor(LeftColumns):
    """One that reads a field besides the maps."""

    def setup(self, student, strides, target_strides):
        return super().setup(student, strides, target_strides) | {'priors'}

    def __call__(self, student, batch, levels, sizes):
        assert all(len(level) for level in student.priors.anchors)
        return super().__call__(student, batch, levels, sizes)


class Halved(FeatureAligner):
    """An aligner of a user's own: as the usual one, of half the teacher's values."""

    def __call__(self, adapters, student, teacher, pairs):
        adapted, targets = super().__call__(adapters, student, teacher, pairs)
        return adapted, [target / 2 for target in targets]


class Largest(nn.Module):
    """A formula of a user's own: the largest difference."""

    def __init__(self, loss_weight=1.0):
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, *, student, teacher, mask=None):
        differences = [(a - b).abs().amax() for a, b in zip(student, teacher, strict=True)]
        return self.loss_weight * torch.stack(differences).amax()


@pytest.fixture(autouse=True)
def registered():
    """The user's parts, in the registry while a test runs."""
    kinds = LeftColumns, LeftOfFirstAnchor, Halved, Largest
    for kind in kinds:
        MODELS.register_module(module=kind)
    yield
    for kind in kinds:
        MODELS.module_dict.pop(kind.__name__)


def maps(channels, seed):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(2, channels, SHAPE[0] // s, SHAPE[1] // s, generator=generator).double()
        for s in STRIDES
    ]


STUDENT, TEACHER, BATCH = maps(3, 0), maps(5, 1), batch_of(BOXES, SHAPE)
SEEN = observe_maps(STUDENT, STRIDES), observe_maps(TEACHER, STRIDES), BATCH


def build(kind, **kwargs):
    torch.manual_seed(1)
    method = kind(**{'loss_weight': 1.0, **kwargs})
    method.setup(info_of(STUDENT, STRIDES), info_of(TEACHER, STRIDES))
    return method.double()


def imitated(method, masks):
    """FGFI's formula: half the squared errors of the kept cells, over their number."""
    errors = [
        (layer(student) - teacher).square().sum(dim=1)[mask].sum()
        for layer, student, teacher, mask in zip(
            method.adapters, STUDENT, TEACHER, masks, strict=True
        )
    ]
    return sum(errors) / (2 * sum(mask.sum() for mask in masks))


class TestAnAlignerThatIsChanged:
    def test_fgfi_with_a_convolution_of_one_cell(self):
        method = build(FGFI, aligner=dict(adapter=dict(type='mmkd.ConvAdapter', kernel_size=1)))
        shapes = [tuple(layer.conv.weight.shape) for layer in method.adapters]
        assert shapes == [(5, 3, 1, 1)] * 2
        # The region is FGFI's all the same.
        masks = build(FGFI).masks(*SEEN)
        assert all(map(torch.equal, method.masks(*SEEN), masks))
        torch.testing.assert_close(method(*SEEN)['loss_fgfi'], imitated(method, masks))

    def test_an_argument_alone_leaves_the_others_as_they_are(self):
        method = build(FGFI, aligner=dict(levels=[[1, 0]]))
        assert method.pairs == [(1, 0)] and method.target_strides == [8]
        (layer,) = method.adapters
        assert layer.conv.kernel_size == (3, 3) and layer.init_std == 1e-4

    @pytest.mark.parametrize('levels', [[[1, 1]], [[1, 1], [0, 0]]])
    @pytest.mark.parametrize('kind', [FGFI, Hint, ProposalMimic])
    def test_levels_stand_in_the_setting_or_in_the_aligner(self, kind, levels):
        direct = build(kind, levels=levels)
        assert build(kind, aligner=dict(levels=levels)).pairs == direct.pairs
        assert direct.pairs == [tuple(pair) for pair in levels] or kind is ProposalMimic

    @pytest.mark.parametrize('kind', ['mmkd.Halved', 'Halved', Halved])
    def test_one_of_the_users_own(self, kind):
        method = build(Hint, aligner=dict(type=kind))
        expected = sum(
            (layer(student) - teacher / 2).square().mean()
            for layer, student, teacher in zip(method.adapters, STUDENT, TEACHER, strict=True)
        )
        torch.testing.assert_close(method(*SEEN)['loss_hint'], expected)


class TestARegionThatIsChanged:
    def test_an_argument_alone_leaves_the_others_as_they_are(self):
        method = build(FGFI, psi=0.3, region=dict(max_over='all'))
        assert (method.region.psi, method.region.max_over) == (0.3, 'all')
        expected = build(FGFI, psi=0.3, max_over='all').masks(*SEEN)
        assert all(map(torch.equal, method.masks(*SEEN), expected))
        assert not all(map(torch.equal, build(FGFI).masks(*SEEN), expected))

    @pytest.mark.parametrize('kind', ['mmkd.ImitationRegion', 'ImitationRegion', ImitationRegion])
    def test_naming_the_usual_type_changes_nothing(self, kind):
        region = build(FGFI, psi=0.3, region=dict(type=kind)).region
        assert type(region) is ImitationRegion and region.psi == 0.3

    def test_one_of_the_users_own(self):
        method = build(FGFI, region=dict(type='mmkd.LeftColumns', columns=2))
        masks = method.masks(*SEEN)
        assert method.has_masks and [mask.sum().item() for mask in masks] == [16, 8]
        assert method.region.strides == ([8, 16], [8, 16])
        found = method(*SEEN)
        torch.testing.assert_close(found['loss_fgfi'], imitated(method, masks))
        assert found['fgfi_cells'].item() == pytest.approx(24 / 60)

    @pytest.mark.parametrize('region', ['mmkd.LeftColumns', 'mmkd.LeftOfFirstAnchor'])
    def test_it_trains_in_a_detector_and_its_fields_are_recorded(self, tmp_path, region):
        method = dict(type='mmkd.FGFI', loss_weight=1.0, region=dict(type=region))
        model = build_distill(tmp_path, methods=[method])
        losses = loss_of(model)
        total_loss(losses).backward()
        assert losses['loss_fgfi'] > 0 and 0 < losses['fgfi_cells'] < 1
        assert all(p.grad.any() for p in model.distill.parameters())
        reads = {'features'} | ({'priors'} if region == 'mmkd.LeftOfFirstAnchor' else set())
        assert model.distill['fgfi'].student_fields == reads


class TestAFormulaThatIsChanged:
    def test_an_argument_alone(self):
        changed = build(Hint, reduction='sum', loss=dict(norm='l1'))(*SEEN)
        expected = build(Hint, reduction='sum', norm='l1')(*SEEN)
        assert torch.equal(changed['loss_hint'], expected['loss_hint'])

    @pytest.mark.parametrize('kind, extra', [
        (ProposalMimic, {}), (QuantizationMimic, dict(step=0.5)),
    ])  # fmt: skip
    def test_an_argument_of_the_mimics(self, kind, extra):
        changed = build(kind, proposals='gt', loss=dict(normalize='none'), **extra)(*SEEN)
        expected = build(kind, proposals='gt', normalize='none', **extra)(*SEEN)
        usual = build(kind, proposals='gt', **extra)(*SEEN)
        key = next(key for key in expected if 'loss' in key)
        assert torch.equal(changed[key], expected[key])
        assert not torch.equal(changed[key], usual[key])

    @pytest.mark.parametrize('kind, log', [(FGFI, 'loss_fgfi'), (Hint, 'loss_hint')])
    def test_one_of_the_users_own_is_weighted_as_the_method_is(self, kind, log):
        method = build(kind, loss_weight=0.25, loss=dict(type='mmkd.Largest'))
        adapted, targets = method.aligned(*SEEN[:2])
        largest = max((a - b).abs().max() for a, b in zip(adapted, targets, strict=True))
        torch.testing.assert_close(method(*SEEN)[log], 0.25 * largest)


@pytest.mark.parametrize('scale', [0.5, 0.25])
def test_hint_through_deconvolutions_where_the_teacher_sees_larger_images(tmp_path, scale):
    adapter = dict(type='mmkd.DeconvAdapter')
    model = build_distill(
        tmp_path,
        methods=[dict(type='mmkd.Hint', aligner=dict(adapter=adapter))],
        student_scale=scale,
        pairing='upsample',
    )
    method = model.distill['hint']
    octaves = {0.5: 1, 0.25: 2}[scale]
    assert {type(layer) for layer in method.adapters} == {DeconvAdapter}
    assert {len(layer.deconvs) for layer in method.adapters} == {octaves}
    loss = loss_of(model, sizes=((128, 192), (192, 128)))['loss_hint']
    loss.backward()
    assert loss > 0 and all(p.grad.any() for p in method.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.student.parameters())


@pytest.mark.parametrize('kind, parts, message', [
    (FGFI, dict(region=dict(type='mmkd.HintLoss')), r'region: HintLoss .* no setup\(\)'),
    (FGFI, dict(aligner=dict(type='mmkd.ConvAdapter')), r'aligner: ConvAdapter .* no pair\(\)'),
    (FGFI, dict(loss=dict(type='mmkd.HintLoss')),
     r'loss: HintLoss .* no forward\(student, teacher, mask\)'),
    (FGFI, dict(loss=dict(type=HintLoss)), r'loss: HintLoss .* no forward\(student'),
    (Hint, dict(loss=dict(type='mmkd.ProposalMimicLoss')),
     r'loss: ProposalMimicLoss .* no forward\(student, teacher\)'),
    (ProposalMimic, dict(loss=dict(type='mmkd.HintLoss')),
     r'loss: HintLoss .* no forward\(errors, kept\)'),
    (Hint, dict(loss=dict(type='mmkd.ImitationRegion')), r'loss: ImitationRegion .* no forward'),
    (Hint, dict(loss=dict(type='mmkd.HintLos')), r"loss: type 'mmkd.HintLos' is not registered"),
    (FGFI, dict(region=dict(psy=0.3)), r"region: .*no argument 'psy'. Did you mean 'psi'"),
    (Hint, dict(aligner=dict(level=[])), r"aligner: .*no argument 'level'. Did you mean 'levels'"),
    (FGFI, dict(region='ImitationRegion'),
     r"region must be a dict, .*mmkd.ImitationRegion.* got 'ImitationRegion'"),
    (FGFI, dict(loss=[]), r'loss must be a dict, .* got \[\]'),
])  # fmt: skip
def test_a_part_that_does_not_fit_its_place_is_refused(kind, parts, message):
    with pytest.raises(ValueError, match=message):
        kind(**parts)


def test_a_stage_of_the_backbone_takes_the_anchors_of_the_nearest_stride(tmp_path):
    class Stages(FeatureMethod):
        def __init__(self, name='stages'):
            region = dict(type='mmkd.ImitationRegion', max_over='level')
            loss = dict(type='mmkd.ImitationLoss')
            super().__init__(name=name, stage='backbone', region=region, loss=loss)

    methods = [dict(type=Stages), dict(type='mmkd.FGFI', max_over='level')]
    pair = [tiny_retinanet_cfg(base_channels=width) for width in (8, 16)]
    model = build_distill(tmp_path, student=pair[0], teacher=pair[1], methods=methods)
    data = model.data_preprocessor(demo_batch(), True)
    seen = model.observe(data['inputs'], data['data_samples']).by('teacher')
    stages, levels = (model.distill[name].masks(*seen) for name in ('stages', 'fgfi'))
    # Stages of strides 4, 8, 16, 32; levels of strides 8, 16, 32, 64, 128.
    assert [mask.shape for mask in stages[1:]] == [mask.shape for mask in levels[:3]]
    assert all(torch.equal(a, b) for a, b in zip(stages[1:], levels[:3], strict=True))
    assert stages[0].any() and stages[0].shape[1] == 2 * stages[1].shape[1]
