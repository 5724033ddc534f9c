from __future__ import annotations

import pytest

from weir.storage.names import glob_regex


@pytest.mark.parametrize(
    ("glob", "matching", "others"),
    [
        ("[!]a]x", ["bx"], ["]x", "ax", "/x"]),
        ("[]a]x", ["]x", "ax"], ["bx"]),
        ("[!]", ["[!]"], ["a"]),
        ("[a&&b]", ["a", "&", "b"], ["c"]),
        ("[a||~~b]", ["|", "~"], ["c"]),
        ("[[]x", ["[x"], ["x"]),
        ("[!a-c]", ["d"], ["b"]),
    ],
)
def test_characters_in_brackets_mean_what_they_do_in_a_shell(glob, matching, others):
    regex = glob_regex(glob)
    assert all(regex.fullmatch(name) for name in matching)
    assert not any(regex.fullmatch(name) for name in others)
