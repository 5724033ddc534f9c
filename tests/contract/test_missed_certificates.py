"""The operator knows a process of the engine that found no certificate by what it says last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from weir.errors import ConfigError
from weir.rpc.tls import TlsFolder
from weir_operator.reconciler.situations.rotating import NO_CERTIFICATE


def test_without_a_slot_the_engine_says_what_the_operator_looks_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=NO_CERTIFICATE):
        TlsFolder(str(tmp_path))


def test_with_a_slot_that_is_not_valid_yet_it_says_so_too(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/ca.crt").write_text("an authority")
    (tmp_path / "b/not-before").write_text((datetime.now(UTC) + timedelta(minutes=5)).isoformat())
    with pytest.raises(ConfigError, match=NO_CERTIFICATE):
        TlsFolder(str(tmp_path))
