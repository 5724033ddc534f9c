"""Images on their way into a cluster: by name from docker or buildah, or as the archive that either of them writes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.providing import Provider


def load(provider: Provider, image: str) -> None:
    """Gives ``image`` to every node: a file is taken as an archive, anything else as a name.

    Raises:
        ClusterError: nothing here knows the image, or a node did not take it.
    """
    if Path(image).is_file():
        provider.load(Path(image))
        return
    from tests.image.engines import find_engine
    from tests.image.errors import ImageError

    with tempfile.TemporaryDirectory(prefix="weir-image-") as folder:
        archive = Path(folder) / "image.tar"
        try:
            find_engine().save(image, archive)
        except ImageError as error:
            raise ClusterError(f"image {image} cannot be loaded: {error}") from error
        provider.load(archive)
