"""Images on their way into a cluster: by name from docker or buildah, or as the archive that either of them writes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.archive import add_layers
from tests.cluster.errors import ClusterError
from tests.cluster.providing import Provider

#: Archives are written and read once, so they need no disk.
_MEMORY = Path("/dev/shm")


def load(
    provider: Provider,
    image: str,
    *,
    further: Mapping[str, Mapping[str, bytes]] | None = None,
    only: str | None = None,
) -> None:
    """Gives ``image`` to every node, or to ``only`` one: a file is taken as an archive, anything else as a name.

    ``further`` are images that have all of this one and some files on top (place in the image -> content), by their names.

    Raises:
        ClusterError: nothing here knows the image, or a node did not take it.
    """
    if Path(image).is_file():
        provider.load(Path(image), only)
        return
    with _saved(image) as archive:
        if further:
            add_layers(archive, further)
        provider.load(archive, only)


@contextmanager
def _saved(image: str) -> Iterator[Path]:
    from tests.image.engines import find_engine
    from tests.image.errors import ImageError

    with tempfile.TemporaryDirectory(
        prefix="weir-image-", dir=_MEMORY if _MEMORY.is_dir() else None
    ) as folder:
        archive = Path(folder) / "image.tar"
        try:
            find_engine().save(image, archive)
        except ImageError as error:
            raise ClusterError(f"image {image} cannot be loaded: {error}") from error
        yield archive
