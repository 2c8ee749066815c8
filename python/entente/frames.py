"""Frames of the worker protocol (docs/worker-protocol.md).

A frame is ``u32 head length · u32 body length · head · body``, numbers little-endian, the head one MessagePack map, the
body bytes. Bodies are read straight to where they belong.
"""

from __future__ import annotations

import os
import struct
import threading
from typing import Callable, List, Optional

import msgpack

CHUNK = 1 << 20
"""bytes of a body at most"""
HEAD = 1 << 20
"""bytes of a head at most"""

_PREFIX = struct.Struct("<II")


class Closed(Exception):
    """The other side has gone."""


class Frames:
    """Both directions over a pair of file descriptors. Any thread may send; one reads."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader = reader
        self._writer = writer
        self._sending = threading.Lock()

    def send(self, head: dict, body: memoryview = memoryview(b"")) -> None:
        packed = msgpack.packb(head, use_bin_type=True)
        with self._sending:
            self._write(_PREFIX.pack(len(packed), len(body)) + packed)
            self._write(body)

    def send_chunks(self, values: memoryview) -> None:
        for start in range(0, len(values), CHUNK):
            self.send({"type": "chunk"}, values[start : start + CHUNK])

    def receive(self, places: Optional[Callable[[dict], List[memoryview]]] = None) -> dict:
        """The next message, and where ``places`` wants the chunks that follow it, filled."""
        head = self._head(0)
        for place in places(head) if places is not None else ():
            at = 0
            while at < len(place):
                at = self._chunk(place, at)
        return head

    def _chunk(self, place: memoryview, at: int) -> int:
        head_bytes, body_bytes = _PREFIX.unpack(self._exactly(_PREFIX.size))
        head = msgpack.unpackb(self._exactly(head_bytes))
        if head.get("type") != "chunk" or body_bytes == 0 or at + body_bytes > len(place):
            raise ValueError(f"a chunk of at most {len(place) - at} bytes was due")
        self._fill(place[at : at + body_bytes])
        return at + body_bytes

    def _head(self, body_due: int) -> dict:
        head_bytes, body_bytes = _PREFIX.unpack(self._exactly(_PREFIX.size))
        if head_bytes > HEAD or body_bytes != body_due:
            raise ValueError("a frame without a body was due")
        head = msgpack.unpackb(self._exactly(head_bytes))
        if not isinstance(head, dict) or not isinstance(head.get("type"), str):
            raise ValueError("a head is a map with a type")
        return head

    def _exactly(self, size: int) -> bytearray:
        data = bytearray(size)
        self._fill(memoryview(data))
        return data

    def _fill(self, place: memoryview) -> None:
        while len(place) > 0:
            got = os.readv(self._reader, [place])
            if got == 0:
                raise Closed
            place = place[got:]

    def _write(self, data) -> None:
        view = memoryview(data).cast("B")
        while len(view) > 0:
            view = view[os.write(self._writer, view) :]
