"""The lines that a sensor sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.gesture import wire

COUNTS = st.lists(st.integers(-32768, 32767), min_size=6, max_size=6)
COUNTER = st.integers(0, 65535)


def test_a_line_is_what_the_document_says():
    assert wire.checksum(b"123456789") == 0xF4  # CRC-8's published check value
    assert wire.format_line(7, (0, 0, 16384, 131, -131, 0)) == b"M,7,0,0,16384,131,-131,0*16\n"
    assert wire.parse(b"M,7,0,0,16384,131,-131,0*16\r") == wire.Line(7, (0, 0, 1, 1, -1, 0))


@given(counter=COUNTER, counts=COUNTS)
def test_what_is_formatted_is_parsed(counter, counts):
    line = wire.parse(wire.format_line(counter, counts))
    assert line.counter == counter
    assert list(wire.raw(line.values)) == counts


@given(counter=COUNTER, counts=COUNTS, at=st.integers(0, 60), bits=st.integers(1, 255))
def test_a_wrong_byte_is_never_believed(counter, counts, at, bits):
    line = bytearray(wire.format_line(counter, counts)[:-1])
    at %= len(line)
    line[at] ^= bits
    with pytest.raises(wire.BrokenLine):
        told = wire.parse(bytes(line))
        assert isinstance(told, wire.Remark)  # only where the first byte became a #
        raise wire.BrokenLine


@given(counter=COUNTER, counts=COUNTS, keep=st.integers(1, 60))
def test_half_a_line_is_never_believed(counter, counts, keep):
    line = wire.format_line(counter, counts)[:-1]
    if keep < len(line):
        with pytest.raises(wire.BrokenLine):
            wire.parse(line[:keep])
        with pytest.raises(wire.BrokenLine):
            wire.parse(line[:keep] + line)


@given(st.binary(max_size=100))
def test_whatever_comes_is_told_or_broken(line):
    try:
        told = wire.parse(line)
    except wire.BrokenLine:
        return
    if isinstance(told, wire.Line):
        assert len(told.values) == 6 and all(abs(value) <= 2000 for value in told.values)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (b"0.01,-0.02,0.99,18.7,2.9,0.6", (0.01, -0.02, 0.99, 18.7, 2.9, 0.6)),
        (b" 0, 0 ,1,+1.5,-2,3e1 \r", (0, 0, 1, 1.5, -2, 30)),
    ],
)
def test_plain_lines_are_in_g_and_degrees_a_second(line, values):
    assert wire.parse(line) == wire.Line(None, values)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"1,2,3,4,5",
        b"1,2,3,4,5,6,7",
        b"1,2,3,4,5,nan",
        b"1,2,3,4,5,inf",
        b"1,2,3,4,5,0x6",
        b"1,2,3,4,5,1_0",
        b"1,2,99,4,5,6",
        b"1,2,3,4,5,\xb2",
        b"\xff\xfe1,2,3,4,5,6",
        b"M,70000,0,0,0,0,0,0*00",
        b"M,1,0,0,0,0,0*00",
    ],
)
def test_broken_lines(line):
    with pytest.raises(wire.BrokenLine):
        wire.parse(line)


def test_a_number_beyond_16_bits_is_broken_though_its_checksum_is_right():
    body = b"M,1,40000,0,0,0,0,0"
    with pytest.raises(wire.BrokenLine, match="16 bits"):
        wire.parse(b"%s*%02X" % (body, wire.checksum(body)))


@pytest.mark.parametrize("line", [b"# MPU6050 100 Hz", b"aX,aY,aZ,gX,gY,gZ", b"ax,ay,az,gx,gy,gz"])
def test_remarks_and_headers_are_no_samples(line):
    assert isinstance(wire.parse(line), wire.Remark)


def test_what_is_beyond_full_scale_clips_as_in_the_sensor():
    assert wire.raw((3, -3, 2, 300, -300, 0)) == (32767, -32768, 32767, 32767, -32768, 0)
