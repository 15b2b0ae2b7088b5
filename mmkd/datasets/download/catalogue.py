"""Data sets whose files lie at public, stable addresses."""

from typing import NamedTuple

_VOC = 'https://thor.robots.ox.ac.uk/pascal/VOC'
_COCO = 'http://images.cocodataset.org'
_KITTI = 'https://s3.eu-central-1.amazonaws.com/avg-kitti'
_KITTI_SPLITS = 'https://raw.githubusercontent.com/traveller59/second.pytorch/master/second/data'
_LVIS = 'https://dl.fbaipublicfiles.com/LVIS'
_WIDER_FACE = 'http://shuoyang1213.me/WIDERFACE/support/bbx_annotation/wider_face_split.zip'
_BALLOON = 'https://download.openmmlab.com/mmyolo/data/balloon_dataset.zip'
_OBJECTS365 = (
    'https://dorc.ks3-cn-beijing.ksyun.com/data-set/2020Objects365%E6%95%B0%E6%8D%AE%E9%9B%86'
)


class Item(NamedTuple):
    """One file."""

    url: str
    path: str  # where it goes, relative to the folder of all data sets
    md5: str | None = None  # published checksum, or None where there is none
    unpack: str | None = None  # folder of its content, or None for a file that is not an archive

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rsplit('/', 1)[-1]


class DataSet(NamedTuple):
    """Files that belong together."""

    title: str  # what it is
    terms: str  # whose terms apply
    items: tuple[Item, ...]  # the files


def _archive(url: str, folder: str, unpack: str, md5: str | None = None) -> Item:
    return Item(url, f'{folder}/{url.rsplit("/", 1)[-1]}', md5, unpack)


def _voc(archive: str, md5: str) -> Item:
    return _archive(f'{_VOC}/{archive}.tar', 'voc', '.', md5)


def _coco(part: str, md5: str) -> Item:
    return _archive(f'{_COCO}/{part}.zip', 'coco', 'coco', md5)


def _objects365() -> tuple[Item, ...]:
    """Annotations, 51 archives of training images and 44 of validation images."""
    top, train, val = 'objects365v2', f'{_OBJECTS365}/train', f'{_OBJECTS365}/val'
    patches = [(f'{train}/patch{number}.tar.gz', 'train') for number in range(51)]
    patches += [
        (f'{val}/images/{"v1" if number < 16 else "v2"}/patch{number}.tar.gz', 'val')
        for number in range(44)
    ]
    return (
        _archive(f'{train}/zhiyuan_objv2_train.tar.gz', top, f'{top}/train'),
        Item(f'{val}/zhiyuan_objv2_val.json', f'{top}/val/zhiyuan_objv2_val.json'),
        *(_archive(url, f'{top}/{part}_archives', f'{top}/{part}') for url, part in patches),
    )


CATALOGUE: dict[str, DataSet] = {
    'voc2007': DataSet(
        'Pascal VOC 2007: trainval and test',
        'http://host.robots.ox.ac.uk/pascal/VOC/voc2007/ (images: the flickr terms of use)',
        (
            _voc('voc2007/VOCtrainval_06-Nov-2007', 'c52e279531787c972589f7e41ab4ae64'),
            _voc('voc2007/VOCtest_06-Nov-2007', 'b6e924de25625d8de591ea690078ad9f'),
        ),
    ),
    'voc2012': DataSet(
        'Pascal VOC 2012: trainval',
        'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/ (images: the flickr terms of use)',
        (_voc('voc2012/VOCtrainval_11-May-2012', '6cd6e144f989b92b3379bac3b3de84fd'),),
    ),
    'coco2017': DataSet(
        'COCO 2017: train, val and their annotations',
        'https://cocodataset.org/#termsofuse',
        (
            _coco('annotations/annotations_trainval2017', 'f4bbac642086de4f52a3fdda2de5fa2c'),
            _coco('zips/val2017', '442b8da7639aecaf257c1dceb8ba8c80'),
            _coco('zips/train2017', 'cced6f7f71b7629ddf16f17bbcfab6b2'),
        ),
    ),
    'coco2014': DataSet(
        'COCO 2014: train, val and their annotations',
        'https://cocodataset.org/#termsofuse',
        (
            _coco('annotations/annotations_trainval2014', '0a379cfc70b0e71301e0f377548639bd'),
            _coco('zips/val2014', 'a3d79f5ed8d289b7a7554ce06a5782b3'),
            _coco('zips/train2014', '0da8cfa0e090c266b78f30e2d2874f1a'),
        ),
    ),
    'kitti': DataSet(
        'KITTI object: left colour images, labels, and the 3712/3769 split',
        'https://www.cvlibs.net/datasets/kitti/ (CC BY-NC-SA 3.0)',
        (
            _archive(f'{_KITTI}/data_object_label_2.zip', 'kitti', 'kitti'),
            _archive(f'{_KITTI}/data_object_image_2.zip', 'kitti', 'kitti'),
            Item(f'{_KITTI_SPLITS}/ImageSets/train.txt', 'kitti/ImageSets/train.txt'),
            Item(f'{_KITTI_SPLITS}/ImageSets/val.txt', 'kitti/ImageSets/val.txt'),
        ),
    ),
    'wider_face_annotations': DataSet(
        'WIDER FACE: annotations; the images are handed out by Google Drive and are not fetched',
        'http://shuoyang1213.me/WIDERFACE/',
        (_archive(_WIDER_FACE, 'WIDERFace', 'WIDERFace', '0e3767bcf0e326556d407bf5bff5d27c'),),
    ),
    'lvis': DataSet(
        'LVIS v1: annotations of train and val, on the images of COCO 2017',
        'https://www.lvisdataset.org/ (CC BY 4.0)',
        (
            _archive(f'{_LVIS}/lvis_v1_train.json.zip', 'lvis_v1', 'lvis_v1/annotations'),
            _archive(f'{_LVIS}/lvis_v1_val.json.zip', 'lvis_v1', 'lvis_v1/annotations'),
        ),
    ),
    'balloon': DataSet(
        'Balloon: 74 images, one class',
        'https://github.com/matterport/Mask_RCNN (MIT)',
        (_archive(_BALLOON, 'balloon', 'balloon'),),
    ),
    'objects365v2': DataSet(
        'Objects365 v2: train and val, 97 files', 'https://www.objects365.org/', _objects365()
    ),
}
