"""The log's way out: whatever is wrong with it, whoever logs goes on."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress

import pytest

from phantomgate.config.log import LONGEST, Level, Log, LogLine


class Lost:
    def __init__(self):
        self.lines = 0

    def __call__(self):
        self.lines += 1


@pytest.fixture
def lost():
    return Lost()


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):  # the test may have closed it
            os.close(end)


def log_to(fd, lost, **options):
    return Log(fd, now=lambda: 0.0, dropped=lost, **options)


def test_a_line_is_one_json_object(pipe, lost):
    log = log_to(pipe[1], lost)

    log.say(Level.INFO, "started", listen="127.0.0.1:9090", workers=2, unix=None)
    log.close()

    assert (
        b'{"time":"1970-01-01T00:00:00.000Z","level":"info","event":"started",'
        b'"listen":"127.0.0.1:9090","workers":2,"unix":null}\n'
    ) == os.read(pipe[0], 65536)
    assert 0 == lost.lines


def test_a_refusal_is_written_however_quiet_the_log_is_told_to_be(pipe, lost):
    log = log_to(pipe[1], lost, level=Level.ERROR)

    log(LogLine(0.0, Level.INFO, "decision", {}))
    log.close()

    assert b'"decision"' in os.read(pipe[0], 65536)


def test_a_line_below_the_level_is_not_written(pipe, lost):
    log = log_to(pipe[1], lost, level=Level.WARNING)

    log.say(Level.INFO, "quiet")
    log.say(Level.WARNING, "loud")
    log.close()

    assert ["loud"] == [json.loads(line)["event"] for line in os.read(pipe[0], 65536).splitlines()]


def test_a_reader_that_stands_still_stops_nobody(pipe, lost):
    log = log_to(pipe[1], lost)

    for _ in range(2000):  # far more than a pipe holds
        log.say(Level.INFO, "much", text="x" * 400)
    log.close()

    assert lost.lines > 0
    assert os.get_blocking(pipe[1])  # whoever shares the pipe still finds it as it was


def test_a_pipe_that_can_not_be_opened_again_is_asked_for_room_first(pipe, lost, tmp_path):
    from phantomgate.config import log as module

    assert module._has_room(pipe[1])

    os.set_blocking(pipe[1], False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe[1], b"x" * LONGEST)

    assert not module._has_room(pipe[1])


def test_a_pipe_that_nobody_reads_stops_nobody(pipe, lost):
    log = log_to(pipe[1], lost)
    os.close(pipe[0])

    log.say(Level.INFO, "nobody")
    log.close()

    assert 1 == lost.lines


def test_a_full_disk_stops_nobody(lost):
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        log = log_to(full.fileno(), lost)
        log.say(Level.INFO, "full")
        log.close()

    assert 1 == lost.lines


def test_a_closed_standard_error_stops_nobody(pipe, lost):
    os.close(pipe[1])

    log = log_to(pipe[1], lost)
    log.say(Level.INFO, "closed")

    assert 1 == lost.lines


def test_a_journal_socket_gets_the_line_and_stops_nobody_when_it_is_full(lost):
    ours, journal = socket.socketpair()
    with ours, journal:
        log = log_to(ours.fileno(), lost)
        log.say(Level.INFO, "first")
        assert "first" == json.loads(journal.recv(65536))["event"]

        for _ in range(5000):
            log.say(Level.INFO, "much", text="x" * 400)
        assert lost.lines > 0


def test_lines_go_to_the_end_of_a_file(tmp_path, lost):
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    with path.open("ab") as file:
        log = log_to(file.fileno(), lost)
        log.say(Level.INFO, "after")
        log.close()

    assert [b"before", True] == [path.read_bytes().splitlines()[0], b'"after"' in path.read_bytes().splitlines()[1]]


def test_a_line_that_went_out_in_part_is_ended_before_the_next(lost):
    log = log_to(-1, lost)
    sent = []
    log._write = lambda data: sent.append(data[:10]) or min(10, len(data))
    log.say(Level.INFO, "torn")
    log._write = lambda data: sent.append(data) or len(data)
    log.say(Level.INFO, "whole")
    log.say(Level.INFO, "whole")

    assert [b"{", b"\n", b"{"] == [data[:1] for data in sent]
    assert 1 == lost.lines


def test_a_line_that_is_too_long_loses_its_last_fields_and_says_so():
    line = LogLine(0.0, Level.ERROR, "decision", {"decision": "d-1", **{f"f{n}": "x" * 500 for n in range(20)}})

    raw = line.encode()

    assert len(raw) <= LONGEST
    assert {"decision": "d-1", "cut": True}.items() <= json.loads(raw).items()


def test_a_value_of_an_unknown_kind_is_named_and_not_shown():
    line = LogLine(0.0, Level.INFO, "odd", {"value": object(), "many": [{"a": b"secret"}], "none": None})

    assert {"value": "object", "many": [{"a": "bytes"}], "none": None}.items() <= json.loads(line.encode()).items()
