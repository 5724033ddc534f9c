"""Why there is no image: something that the machine lacks, or a step that went wrong."""

from __future__ import annotations


class ImageError(Exception):
    """A step of making or running the image failed; the message names it and what it printed."""


class ImageUnavailable(ImageError):
    """This machine cannot make or run the image; the message is one line that says what is missing."""
