r"""Rows that are one line each: text, and JSON lines. Hot path: a chunk is split once, a batch decoded in C.

A line ends with ``\n`` or ``\r\n``. Text gives a row for every line, also for an empty one; JSON lines gives
none for a blank line.
"""

from __future__ import annotations

from typing import Any

import msgspec

from weir.connectors.files.reading.chunks import Chunk
from weir.connectors.files.reading.rows import BOM, BrokenRows


class LineDecoder:
    """Splits chunks into lines; a format says what a line means."""

    given = 0

    def __init__(self, broken: BrokenRows) -> None:
        self.position = 0
        self.exhausted = True
        self._broken = broken
        self._lines: list[bytes] = []
        self._at = 0
        self._end = 0  #: of the chunk

    def load(self, chunk: Chunk) -> None:
        offset, data = chunk
        self._end = offset + len(data)
        if offset == 0 and data.startswith(BOM):
            offset, data = len(BOM), data[len(BOM) :]
        self.position = offset
        self._lines = data.split(b"\n")
        if not self._lines[-1]:
            self._lines.pop()
        self._at = 0
        self.exhausted = not self._lines

    def take(self, max_rows: int) -> list[Any]:
        lines = self._lines[self._at : self._at + max_rows]
        rows = self._decode(lines)
        self._at += len(lines)
        self.exhausted = self._at == len(self._lines)
        self.position = min(self.position + sum(map(len, lines)) + len(lines), self._end)
        return rows

    def end(self) -> None:
        pass

    def _decode(self, lines: list[bytes]) -> list[Any]:
        raise NotImplementedError


class TextDecoder(LineDecoder):
    """A row is the line as ``str``, without its end."""

    def _decode(self, lines: list[bytes]) -> list[Any]:
        if not lines:
            return []
        try:
            text = b"\n".join(lines).decode()
        except UnicodeDecodeError:
            return self._decode_each(lines)
        rows = text.split("\n")
        return [row.removesuffix("\r") for row in rows] if "\r" in text else rows

    def _decode_each(self, lines: list[bytes]) -> list[Any]:
        rows: list[Any] = []
        offset = self.position
        for line in lines:
            try:
                rows.append(line.decode().removesuffix("\r"))
            except UnicodeDecodeError as error:
                self._broken(offset, line, f"not UTF-8 ({error.reason} at column {error.start + 1})")
            offset += len(line) + 1
        return rows


class JsonDecoder(LineDecoder):
    """A row is the JSON value of a line."""

    def __init__(self, broken: BrokenRows, decoder: msgspec.json.Decoder[Any]) -> None:
        super().__init__(broken)
        self._decode_line = decoder.decode

    def _decode(self, lines: list[bytes]) -> list[Any]:
        try:
            return list(map(self._decode_line, lines))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._decode_each(lines)

    def _decode_each(self, lines: list[bytes]) -> list[Any]:
        rows: list[Any] = []
        offset = self.position
        for line in lines:
            try:
                rows.append(self._decode_line(line))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                if line.strip():
                    self._broken(offset, line, f"not a JSON value ({error})")
            offset += len(line) + 1
        return rows
