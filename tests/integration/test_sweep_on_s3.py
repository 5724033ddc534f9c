"""Twenty upgrades and crashes of one job on a real S3; when it rests, a sweep leaves what is referred to, whole, and nothing else (O22)."""

from __future__ import annotations

import random

import pytest

from tests.support.s3_servers import S3Server, each_s3
from tests.support.swept_lives import DEEDS, judge
from weir.storage import open_storage

__all__ = ["each_s3"]  # the fixture: `s3` is SeaweedFS, then MinIO

SEED, LIVES = 20261129, 20


def test_after_twenty_upgrades_and_crashes_a_sweep_leaves_what_is_referred_to_and_nothing_else(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    rng = random.Random(SEED)
    lives = [(rng.choices(DEEDS, k=rng.randrange(4)), rng.random() < 0.5) for _ in range(LIVES)]
    assert {deed for deeds, _ in lives for deed in deeds} == set(DEEDS)
    judge(open_storage(s3.uri), lives)
