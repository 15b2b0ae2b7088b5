"""Fills a folder with links to torch, torchvision and all that they require.

``python link_torch.py FOLDER CONSTRAINTS`` runs in the environment that has them. A second
environment whose ``.pth`` file names FOLDER then has the same torch without another 5 GB, and
sees nothing else of the first one. CONSTRAINTS is written with the linked versions, for pip.
"""

import os
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOTS = ('torch', 'torchvision')


def required(roots: tuple[str, ...]) -> dict[str, Distribution]:
    """The distributions ``roots`` and, again and again, those that they require here."""
    found: dict[str, Distribution] = {}
    seen: set[str] = set()
    pending = [Requirement(name) for name in roots]
    while pending:
        wanted = pending.pop()
        if str(wanted) in seen:
            continue
        seen.add(str(wanted))
        try:
            dist = distribution(wanted.name)
        except PackageNotFoundError:
            continue  # a requirement that this platform does without
        found[dist.metadata['Name']] = dist
        for line in dist.requires or []:
            requirement = Requirement(line)
            # torch reaches most of CUDA through extras of one package.
            if any(applies(requirement, extra) for extra in ('', *wanted.extras)):
                pending.append(requirement)
    return found


def applies(requirement: Requirement, extra: str) -> bool:
    """Whether ``requirement`` holds here when ``extra`` is asked for."""
    return requirement.marker is None or requirement.marker.evaluate({'extra': extra})


def top_level(dist: Distribution) -> set[str]:
    """What the distribution placed directly into site-packages."""
    parts = {Path(str(file)).parts[0] for file in dist.files or []}
    return {part for part in parts if part not in (os.pardir, '__pycache__')}


def main(folder: str, constraints: str) -> None:
    """Makes the links anew and writes the constraints."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for link in target.iterdir():
        link.unlink()
    dists = required(ROOTS)
    for dist in dists.values():
        site = Path(str(dist.locate_file('')))
        for name in top_level(dist):
            if not (target / name).is_symlink():
                (target / name).symlink_to(site / name)
    lines = sorted(f'{name}=={dist.version}' for name, dist in dists.items())
    Path(constraints).write_text('\n'.join(lines) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main(*sys.argv[1:])
