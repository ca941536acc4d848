"""Reading a sensor's port: what is lost, broken, silent, garbage, busy or gone."""

import itertools
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import UserError
from bench.gesture import faults, ports, wire
from bench.gesture.stream import Assembler, SensorGone, Tally, open_stream
from tests.sensors import counted, simulator, talking, terminal

LINES = list(itertools.islice(counted(), 40))


def assembled(data: bytes, *, cuts: int = 1) -> Tally:
    tally = Tally()
    assembler = Assembler(tally)
    for at in range(0, len(data), cuts):
        for _ in assembler.feed(data[at : at + cuts], 0.0):
            pass
    return tally


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 100))
def test_it_is_the_same_in_whatever_pieces_it_comes(cuts):
    assert assembled(b"".join(LINES), cuts=cuts) == Tally(samples=40)


def test_lost_lines_are_not_broken_ones():
    assert assembled(b"".join(LINES[:10] + LINES[15:])) == Tally(samples=35, lost=5)


def test_a_broken_line_is_not_lost_as_well():
    spoilt = [*LINES[:10], LINES[10].replace(b"16384", b"16385"), *LINES[11:]]
    assert assembled(b"".join(spoilt)) == Tally(samples=39, broken=1)


def test_half_a_line_breaks_only_itself():
    assert assembled(b"".join([*LINES[:10], LINES[10][:12], *LINES[11:]])) == Tally(samples=39, broken=1)


def test_broken_and_lost_are_told_apart_together():
    spoilt = [*LINES[:10], b"M,nonsense\n", *LINES[14:]]
    assert assembled(b"".join(spoilt)) == Tally(samples=36, lost=3, broken=1)


def test_line_ends_of_windows_and_empty_lines():
    assert assembled(b"".join(line[:-1] + b"\r\n\r\n" for line in LINES)) == Tally(samples=40)


def test_joining_in_the_middle_of_a_line_is_no_fault():
    assert assembled(LINES[0][7:] + b"".join(LINES[1:])) == Tally(samples=39)


def test_the_counter_goes_around():
    lines = itertools.islice(counted(65530), 20)
    assert assembled(b"".join(lines)) == Tally(samples=20)


def test_a_device_that_begins_anew_has_lost_nothing():
    assert assembled(b"".join(LINES + LINES)) == Tally(samples=80)
    assert assembled(wire.format_line(65000, (0,) * 6) + b"# MPU6050\n" + LINES[0]) == Tally(samples=2)


def test_plain_lines_have_no_counter():
    tally = Tally()
    samples = list(Assembler(tally).feed(b"half,a,line\n" + b"0,0,1,18.7,2.9,0.6\n" * 3, 1.5))
    assert tally == Tally(samples=3)
    assert samples[0] == (1.5, None, (0, 0, 1, 18.7, 2.9, 0.6), 0)


def test_a_line_without_end_is_broken_and_forgotten():
    assert assembled(LINES[0] + b"x" * 1000 + b"\n" + LINES[1]).broken >= 1


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False))
def test_whatever_is_spoilt_no_wrong_sample_comes(stream: random.Random):
    values = wire.parse(LINES[0].strip()).values
    data = bytearray(b"".join(LINES))
    for _ in range(stream.randint(1, 20)):
        data[stream.randrange(len(data))] ^= 1 << stream.randrange(8)
    assert all(sample.values == values for sample in Assembler(Tally()).feed(bytes(data), 0.0))


def test_a_port_is_read():
    with talking(counted()) as path, open_stream(path) as stream:
        samples = list(itertools.islice(stream, 300))
    assert stream.tally.broken == 0 and stream.tally.lost == 0
    counters = [sample.counter for sample in samples]
    assert counters == list(range(counters[0], counters[0] + 300))
    assert [sample.time_s for sample in samples] == sorted(sample.time_s for sample in samples)
    assert samples[0].values == pytest.approx((0, 0, 1, 2450 / 131, 380 / 131, 80 / 131))


def test_a_pause_of_the_reader_loses_nothing():
    with talking(counted(), pause_s=0.0005) as path, open_stream(path) as stream:
        first = next(iter(stream))
        stream._is_closed.wait(1.5)  # the terminal alone would hold a tenth of that
        rest = list(itertools.islice(stream, 1000))
    assert [sample.counter for sample in rest] == list(range(first.counter + 1, first.counter + 1001))
    assert stream.tally.lost == 0


def test_a_thousand_lines_a_second_are_read_without_loss():
    with simulator("--rate", "1000") as sensor, open_stream(sensor.port) as stream:
        for _ in itertools.islice(stream, 3000):
            pass
    assert (stream.tally.samples, stream.tally.lost, stream.tally.broken) == (3000, 0, 0)


def test_faults_of_the_line_are_counted_and_no_sample_is_wrong():
    options = ("--rate", "1000", "--fault", "noise=0.05", "--fault", "half-lines=0.05", "--fault", "loss=0.05")
    with simulator(*options) as sensor, open_stream(sensor.port) as stream:
        samples = list(itertools.islice(stream, 2000))
    assert 60 < stream.tally.lost < 160 and 120 < stream.tally.broken < 350
    assert all(abs(sample.values[2]) <= 2 for sample in samples)
    assert all(after.counter > before.counter for before, after in itertools.pairwise(samples))


def test_an_unplugged_sensor_is_waited_for(tmp_path):
    told = []
    options = ("--link", str(tmp_path / "sensor"), "--fault", "unplug=1")
    with simulator(*options) as sensor, open_stream(sensor.port, notice=told.append) as stream:
        samples = list(itertools.islice(stream, 150))
    assert stream.tally.reconnects == 1
    connections = [sample.connection for sample in samples]
    assert set(connections) == {0, 1} and connections == sorted(connections)
    assert any("is gone; trying again" in text for text in told)
    assert any("is back, at attempt" in text for text in told)


def test_a_sensor_that_stays_away_is_given_up(tmp_path):
    with simulator("--link", str(tmp_path / "sensor")) as sensor, open_stream(sensor.port, patience_s=1.5) as stream:
        next(iter(stream))
        sensor.unplug()
        with pytest.raises(SensorGone, match=r"unplugged and did not come back within 1.5 s"):
            list(stream)


def test_silence_is_told_and_then_given_up():
    told = []
    with (
        terminal() as (_, path),
        open_stream(path, notice=told.append, patience_s=1.5, silence_s=0.5) as stream,
        pytest.raises(UserError, match="nothing came for 2 s; is the sketch on the board"),
    ):
        next(iter(stream))
    assert told == [f"nothing has come from {path} for 0.5 s; waiting"]


def test_a_sensor_that_falls_silent_is_told():
    with simulator("--fault", "silence=1") as sensor, open_stream(sensor.port, patience_s=1) as stream:
        with pytest.raises(SensorGone, match="the sensor fell silent"):
            list(stream)
        assert stream.tally.samples > 80


def test_a_wrong_rate_names_the_usual_ones_and_the_right_one_works():
    with simulator("--fault", "wrong-baud=38400") as sensor:
        with (
            open_stream(sensor.port, 115200) as stream,
            pytest.raises(UserError, match=r"garbage at 115200 baud: .* usual are 9600, 19200, 38400, .*--baud"),
        ):
            next(iter(stream))
        with open_stream(sensor.port, 38400) as stream:
            list(itertools.islice(stream, 50))
        assert stream.tally.broken == 0


def test_text_of_another_format_is_shown():
    lines = (b"temperature: %d C\n" % number for number in itertools.count())
    with (
        talking(lines, pause_s=0.01) as path,
        open_stream(path) as stream,
        pytest.raises(UserError, match=r"not what a sensor sends .*'temperature: \d+ C'; expected M,COUNTER"),
    ):
        next(iter(stream))


def test_noise_bytes_are_garbage():
    lines = iter(lambda: os.urandom(40), b"")
    with talking(lines, pause_s=0.005) as path, open_stream(path) as stream, pytest.raises(UserError, match="garbage"):
        next(iter(stream))


def test_misreading_at_the_same_rate_changes_nothing_and_at_another_all():
    data = b"".join(LINES)
    assert faults.misread(data, 115200, 115200) == data
    assert b"M," not in faults.misread(data, 38400, 115200)


def test_a_closed_stream_gives_the_port_back():
    with talking(counted()) as path:
        open_stream(path).close()
        with open_stream(path) as stream:
            assert next(iter(stream)).values


@pytest.mark.parametrize(
    ("port", "told"),
    [
        ("/dev/nope", "there is no such port; there are"),
        ("/dev/null", "no serial port"),
        ("/dev", "no serial port"),
        (__file__, "no serial port"),
        ("magic://x", "a port is a device"),
    ],
)
def test_what_is_no_port(port, told):
    with pytest.raises(UserError, match=told) as raised:
        open_stream(port)
    assert "\n" not in str(raised.value) and port in str(raised.value)


def test_a_busy_port():
    with talking(counted()) as path, open_stream(path), pytest.raises(UserError, match="it is busy: another program"):
        open_stream(path)


def test_permission_denied_says_which_group_to_join(monkeypatch):
    def refuse(*arguments: object, **options: object) -> int:
        raise PermissionError(13, "Permission denied")

    with terminal() as (_, path):
        Path(path).chmod(0o660)
        monkeypatch.setattr("serial.serialposix.os.open", refuse)
        group = Path(path).group()
        with pytest.raises(UserError, match=f"permission denied: join the group {group} .*usermod -aG {group}"):
            open_stream(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_permission_denied_for_real():
    with terminal() as (_, path):
        Path(path).chmod(0)
        with pytest.raises(UserError, match="permission denied"):
            open_stream(path)


def test_a_rate_that_no_port_can_do():
    with terminal() as (_, path), pytest.raises(UserError, match="--baud"):
        open_stream(path, baud=-5)


def test_ports_are_listed_with_what_they_are(monkeypatch, capsys):
    from serial.tools import list_ports
    from serial.tools.list_ports_common import ListPortInfo

    from bench.gesture import port_table

    board = ListPortInfo("/dev/ttyUSB7")
    board.vid, board.pid, board.description = 0x1A86, 0x7523, "USB Serial"
    monkeypatch.setattr(list_ports, "comports", lambda: [board])
    (found,) = ports.ports()
    assert (found.device, found.usb) == ("/dev/ttyUSB7", "1a86:7523") and "CH340" in found.board
    port_table.show([found], as_json=False)
    assert "/dev/ttyUSB7" in capsys.readouterr().out
    port_table.show([], as_json=False)
    assert "bench gesture simulate" in capsys.readouterr().err
