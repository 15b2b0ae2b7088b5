"""Data sets whose files lie at public, stable addresses."""

from typing import NamedTuple

_VOC = 'https://thor.robots.ox.ac.uk/pascal/VOC'
_COCO = 'http://images.cocodataset.org'
_KITTI = 'https://s3.eu-central-1.amazonaws.com/avg-kitti'
_KITTI_SPLITS = 'https://raw.githubusercontent.com/traveller59/second.pytorch/master/second/data'
_LVIS = 'https://dl.fbaipublicfiles.com/LVIS'
_OBJECTS365 = (
    'https://dorc.ks3-cn-beijing.ksyun.com/data-set/2020Objects365%E6%95%B0%E6%8D%AE%E9%9B%86'
)


class Item(NamedTuple):
    """One file.

    Attributes:
        url: Where it is.
        path: Where it goes, relative to the folder of all data sets.
        md5: Published checksum, or None where there is none.
        unpack: Folder that its content belongs in, or None for a file that is not an archive.
    """

    url: str
    path: str
    md5: str | None = None
    unpack: str | None = None

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rsplit('/', 1)[-1]


class DataSet(NamedTuple):
    """Files that belong together.

    Attributes:
        title: What it is.
        terms: Whose terms apply.
        items: The files.
    """

    title: str
    terms: str
    items: tuple[Item, ...]


def _archive(url: str, folder: str, unpack: str, md5: str | None = None) -> Item:
    return Item(url, f'{folder}/{url.rsplit("/", 1)[-1]}', md5, unpack)


def _coco(part: str, md5: str) -> Item:
    return _archive(f'{_COCO}/{part}.zip', 'coco', 'coco', md5)


def _objects365() -> tuple[Item, ...]:
    """Annotations, 51 archives of training images and 44 of validation images."""
    train, val = f'{_OBJECTS365}/train', f'{_OBJECTS365}/val'
    items = [
        _archive(f'{train}/zhiyuan_objv2_train.tar.gz', 'objects365v2', 'objects365v2/train'),
        Item(f'{val}/zhiyuan_objv2_val.json', 'objects365v2/val/zhiyuan_objv2_val.json'),
    ]
    for number in range(51):
        name = f'patch{number}.tar.gz'
        path = f'objects365v2/train_archives/{name}'
        items.append(Item(f'{train}/{name}', path, None, 'objects365v2/train'))
    for number in range(44):
        part = 'v1' if number < 16 else 'v2'
        name = f'patch{number}.tar.gz'
        path = f'objects365v2/val_archives/{name}'
        items.append(Item(f'{val}/images/{part}/{name}', path, None, 'objects365v2/val'))
    return tuple(items)


CATALOGUE: dict[str, DataSet] = {
    'voc2007': DataSet(
        'Pascal VOC 2007: trainval and test',
        'http://host.robots.ox.ac.uk/pascal/VOC/voc2007/ (images: the flickr terms of use)',
        (
            _archive(
                f'{_VOC}/voc2007/VOCtrainval_06-Nov-2007.tar',
                'voc',
                '.',
                'c52e279531787c972589f7e41ab4ae64',
            ),
            _archive(
                f'{_VOC}/voc2007/VOCtest_06-Nov-2007.tar',
                'voc',
                '.',
                'b6e924de25625d8de591ea690078ad9f',
            ),
        ),
    ),
    'voc2012': DataSet(
        'Pascal VOC 2012: trainval',
        'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/ (images: the flickr terms of use)',
        (
            _archive(
                f'{_VOC}/voc2012/VOCtrainval_11-May-2012.tar',
                'voc',
                '.',
                '6cd6e144f989b92b3379bac3b3de84fd',
            ),
        ),
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
        (
            _archive(
                'http://shuoyang1213.me/WIDERFACE/support/bbx_annotation/wider_face_split.zip',
                'WIDERFace',
                'WIDERFace',
                '0e3767bcf0e326556d407bf5bff5d27c',
            ),
        ),
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
        (
            _archive(
                'https://download.openmmlab.com/mmyolo/data/balloon_dataset.zip',
                'balloon',
                'balloon',
            ),
        ),
    ),
    'objects365v2': DataSet(
        'Objects365 v2: train and val, 97 files', 'https://www.objects365.org/', _objects365()
    ),
}
