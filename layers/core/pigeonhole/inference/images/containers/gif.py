"""Read the blocks of a GIF before its first frame. See the GIF89a specification, https://www.w3.org/Graphics/GIF/spec-gif89a.txt."""

from __future__ import annotations

import re

from pigeonhole.inference.images.containers.stripped import PartCount, Stripped

_HEADER_BYTES = 13
_BLOCK = re.compile(rb"[!,;]")  # an extension, a frame, the end; Pillow steps over other bytes one by one
_EXTENSION, _GRAPHIC_CONTROL = b"!", 0xF9


def strip_gif(data: bytes) -> Stripped:
    """Remove everything between the palette and the first frame, except what says which colour is transparent.

    Raises:
        UnreadableImage: There are too many blocks before the first frame.
    """
    flags = data[10]
    start = position = _HEADER_BYTES + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    control, blocks = b"", PartCount()
    while (block := _BLOCK.search(data, position)) and block[0] == _EXTENSION:
        is_control = data[block.end()] == _GRAPHIC_CONTROL
        position = block.end() + 1
        while True:
            length = data[position]
            position += 1 + length
            blocks.add()
            if not length:
                break
        if is_control:
            control = data[block.start() : position]
    return Stripped(b"".join((data[:start], control, data[block.start() :] if block else b"")))
