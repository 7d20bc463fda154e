"""Read the size of the frames from the headers of a video codec, which says what the decoder will really make."""

from __future__ import annotations

from collections.abc import Iterator

from pigeonhole.inference.images.containers.stripped import PartCount

_HEADER_BYTES = 256  # the fields before the size take less
_AV1_SEQUENCE_HEADER = 1
_HEVC_SPS = 33
_HVCC_ARRAYS = 22  # where the parameter sets begin in an hvcC


class _Bits:
    """Reads big-endian bits. Bits after the end are 0."""

    def __init__(self, data: bytes) -> None:
        self._bits = "".join(f"{byte:08b}" for byte in data[:_HEADER_BYTES])
        self._position = 0

    def read(self, count: int) -> int:
        bits = self._bits[self._position : self._position + count]
        self._position += count
        return int(bits.ljust(count, "0") or "0", 2)

    def read_exp_golomb(self) -> int:
        """Read ue(v) of HEVC, 9.2, or uvlc() of AV1, 4.10.3."""
        one = self._bits.find("1", self._position)
        zeros = min((one if one >= 0 else len(self._bits)) - self._position, 32)
        self._position += zeros + 1
        return (1 << zeros) - 1 + self.read(zeros)


def av1_frame_pixels(data: bytes, parts: PartCount) -> int:
    """Return the pixels of the largest frame of AV1 data, 0 if there is no sequence header.

    See the AV1 Bitstream & Decoding Process Specification, 5.3 and 5.5.

    Args:
        data: The data of the item.
        parts: Counts its units.
    """
    return max(
        (_av1_sequence_pixels(_Bits(header)) for kind, header in _obus(data, parts) if kind == _AV1_SEQUENCE_HEADER), default=0
    )


def _obus(data: bytes, parts: PartCount) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        parts.add()
        header = data[position]
        position += 2 if header & 4 else 1
        length, shift = 0, 0
        if not header & 2:
            length = len(data) - position
        while header & 2 and shift < 56:  # leb128
            length |= (data[position] & 0x7F) << shift
            shift += 7
            position += 1
            if not data[position - 1] & 0x80:
                break
        yield header >> 3 & 15, data[position : position + min(length, _HEADER_BYTES)]
        position += length


def _av1_sequence_pixels(bits: _Bits) -> int:
    bits.read(4)  # profile, still picture
    if bits.read(1):  # reduced header
        bits.read(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    return (bits.read(width_bits) + 1) * (bits.read(height_bits) + 1)


def _skip_operating_points(bits: _Bits) -> None:
    delay_bits = 0
    if bits.read(1):  # timing info
        bits.read(64)
        if bits.read(1):  # equal picture interval
            bits.read_exp_golomb()
        if bits.read(1):  # decoder model
            delay_bits = bits.read(5) + 1
            bits.read(42)
    has_display_delay = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if delay_bits and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if has_display_delay and bits.read(1):
            bits.read(4)


def hevc_frame_pixels(configuration: bytes, data: bytes, parts: PartCount) -> int:
    """Return the pixels of the largest frame of HEVC data, 0 if there is no sequence parameter set.

    See ITU-T H.265, 7.3.2.2, and ISO/IEC 14496-15, 8.3.3.1.

    Args:
        configuration: The content of the item's hvcC box.
        data: The data of the item, as NAL units with their lengths.
        parts: Counts its units.
    """
    units = [*_configured_units(configuration, parts), *_units(data, (configuration[21] & 3) + 1, parts)]
    return max((_hevc_sequence_pixels(unit) for unit in units if unit and unit[0] >> 1 & 63 == _HEVC_SPS), default=0)


def _configured_units(configuration: bytes, parts: PartCount) -> Iterator[bytes]:
    position = _HVCC_ARRAYS + 1
    for _ in range(configuration[_HVCC_ARRAYS]):
        count = int.from_bytes(configuration[position + 1 : position + 3], "big")
        position += 3
        for _ in range(count):
            parts.add()
            length = int.from_bytes(configuration[position : position + 2], "big")
            yield configuration[position + 2 : position + 2 + min(length, _HEADER_BYTES)]
            position += 2 + length
            if position > len(configuration):
                return


def _units(data: bytes, length_bytes: int, parts: PartCount) -> Iterator[bytes]:
    position = 0
    while position + length_bytes < len(data):
        parts.add()
        length = int.from_bytes(data[position : position + length_bytes], "big")
        position += length_bytes
        yield data[position : position + min(length, _HEADER_BYTES)]
        position += length


def _hevc_sequence_pixels(unit: bytes) -> int:
    bits = _Bits(unit[2:].replace(b"\0\0\3", b"\0\0"))
    bits.read(4)
    layers = bits.read(3)
    bits.read(1 + 96)  # the profile, tier and level of all layers
    present = [(bits.read(1), bits.read(1)) for _ in range(8 if layers else 0)][:layers]
    for has_profile, has_level in present:
        bits.read(88 * has_profile + 8 * has_level)
    bits.read_exp_golomb()
    if bits.read_exp_golomb() == 3:  # 4:4:4
        bits.read(1)
    return bits.read_exp_golomb() * bits.read_exp_golomb()
