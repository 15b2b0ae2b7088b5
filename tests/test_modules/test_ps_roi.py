import numpy as np
import pytest
import torch

from mmkd.modules import PSRoIExtractor
from tests.references import ps_roi

BINS, VALUES, STRIDE = 3, 4, 8
HEIGHT, WIDTH = 7, 9


def scene(seed, num=12):
    """Maps, and RoIs of two images: inside, on and beyond the border."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(2, VALUES * BINS**2, HEIGHT, WIDTH, generator=generator).double()
    corner, size = (torch.rand(num, 2, generator=generator).double() for _ in range(2))
    corner, size = corner * 60 - 10, 1 + size * 50
    index = torch.randint(2, (num, 1), generator=generator).double()
    return maps, torch.cat([index, corner, corner + size], dim=1)


def extractor(**kwargs):
    return PSRoIExtractor(featmap_stride=STRIDE, output_size=BINS, **kwargs)


def reference(pool, maps, rois, samples=2):
    if pool == 'pool':
        return ps_roi.ps_roi_pool(maps.numpy(), rois.numpy(), BINS, 1 / STRIDE)
    return ps_roi.ps_roi_align(maps.numpy(), rois.numpy(), BINS, 1 / STRIDE, samples)


class TestAgainstLoops:
    @pytest.mark.parametrize('seed', range(3))
    @pytest.mark.parametrize('pool', ['pool', 'align'])
    def test_equals_the_reference_in_double_precision(self, pool, seed):
        maps, rois = scene(seed)
        np.testing.assert_allclose(
            extractor(pool=pool)((maps,), rois), reference(pool, maps, rois), rtol=0, atol=1e-6
        )

    def test_other_numbers_of_samples_equal_the_reference_too(self):
        maps, rois = scene(5)
        found = extractor(sampling_ratio=3)((maps,), rois)
        np.testing.assert_allclose(found, reference('align', maps, rois, 3), rtol=0, atol=1e-6)

    @pytest.mark.parametrize('pool', ['pool', 'align'])
    def test_a_rois_votes_equal_the_references(self, pool):
        maps, rois = scene(4)
        np.testing.assert_allclose(
            extractor(pool=pool)((maps,), rois).mean(dim=(2, 3)),
            ps_roi.vote(reference(pool, maps, rois)),
            rtol=0,
            atol=1e-6,
        )


@pytest.mark.parametrize('pool', ['pool', 'align'])
class TestPlanted:
    def test_each_bin_reads_the_map_of_its_own_and_no_other(self, pool):
        # Channel c k k + i k + j holds its own number everywhere.
        numbers = torch.arange(VALUES * BINS**2, dtype=torch.float64)
        maps = numbers[None, :, None, None].expand(1, -1, HEIGHT, WIDTH)
        pooled = extractor(pool=pool)((maps,), torch.tensor([[0, 8.0, 8.0, 48.0, 40.0]]))
        torch.testing.assert_close(pooled, numbers.view(1, VALUES, BINS, BINS))

    def test_an_object_in_the_lower_left_of_a_roi_is_found_in_that_bin(self, pool):
        # The RoI covers cells (0..5, 0..5), a bin 2 x 2 of them; cells (4..5, 0..1) are lit.
        maps = torch.zeros(1, BINS**2, HEIGHT, WIDTH).double()
        maps[:, :, 4:6, 0:2] = 1
        pooled = extractor(pool=pool)((maps,), torch.tensor([[0, 0.0, 0.0, 48.0, 48.0]]))[0, 0]
        assert pooled[2, 0] == pooled.max() > 0.9
        others = pooled.clone()
        others[2, 0] = 0
        assert others.max() < (1e-9 if pool == 'pool' else 0.3)

    def test_the_last_row_and_column_of_the_map_are_read(self, pool):
        maps = torch.zeros(1, BINS**2, HEIGHT, WIDTH).double()
        maps[:, :, -1, -1] = 1
        corner = torch.tensor([[0, (WIDTH - 1) * 8.0, (HEIGHT - 1) * 8.0, WIDTH * 8, HEIGHT * 8]])
        assert (extractor(pool=pool)((maps,), corner) > 0.2).all()


@pytest.mark.parametrize('pool', ['pool', 'align'])
class TestEdges:
    def test_no_roi_gives_no_row_and_a_gradient_of_zero(self, pool):
        maps, rois = scene(0)
        maps.requires_grad_()
        pooled = extractor(pool=pool)((maps,), rois[:0])
        pooled.sum().backward()
        assert pooled.shape == (0, VALUES, BINS, BINS) and not maps.grad.any()

    def test_a_roi_without_area_is_finite(self, pool):
        maps, _ = scene(0)
        point = torch.tensor([[0, 20.0, 20.0, 20.0, 20.0], [1, 500.0, 500.0, 501.0, 501.0]])
        assert extractor(pool=pool)((maps,), point).isfinite().all()

    @pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
    def test_half_precision_is_pooled_in_single(self, pool, dtype):
        maps, rois = scene(0)
        half = maps.to(dtype)
        found = extractor(pool=pool)((half,), rois)
        assert found.dtype == torch.float32
        assert torch.equal(found, extractor(pool=pool)((half.float(),), rois))

    def test_gradients_are_those_of_finite_differences(self, pool):
        maps, rois = scene(2, num=3)
        small = maps[:, : BINS**2, :4, :5].clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda m: extractor(pool=pool)((m,), rois), (small,))


@pytest.mark.parametrize('kwargs, message', [
    (dict(pool='max'), "pool must be one of .*'align', 'pool'.* got 'max'"),
    (dict(sampling_ratio=0), 'sampling_ratio must be >= 1, got 0'),
])  # fmt: skip
def test_settings_out_of_range_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        extractor(**kwargs)


def test_maps_that_do_not_divide_into_bins_are_refused():
    with pytest.raises(ValueError, match='multiple of 9 channels'):
        extractor()((torch.zeros(1, 10, 4, 4),), torch.zeros(1, 5))
