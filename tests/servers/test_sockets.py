"""The sockets we listen on: what somebody else uses is never taken."""

from __future__ import annotations

import socket
import stat

import pytest

from phantomgate.servers.sockets import bind_tcp, bind_unix, why


def test_every_worker_gets_a_socket_on_the_same_port():
    bound = bind_tcp("127.0.0.1", 0, 3)

    assert {bound.name} == {"{}:{}".format(*one.getsockname()) for one in bound.sockets}
    assert 3 == len({one.fileno() for one in bound.sockets})
    bound.close()


def test_ipv6_is_named_as_in_a_url():
    bound = bind_tcp("::1", 0, 1)

    assert bound.name.startswith("[::1]:")
    bound.close()


def test_a_name_with_both_kinds_of_addresses_is_ipv4():
    bound = bind_tcp("localhost", 0, 1)

    assert bound.name.startswith("127.0.0.1:")
    bound.close()


def test_a_port_that_is_taken_is_refused_even_by_one_who_would_share_it():
    first = bind_tcp("127.0.0.1", 0, 2)
    port = first.sockets[0].getsockname()[1]

    with pytest.raises(OSError, match="in use") as error:
        bind_tcp("127.0.0.1", port, 2)

    assert "another process listens there" in why(error.value)
    first.close()


def test_an_address_of_another_machine_is_refused_with_a_reason():
    with pytest.raises(OSError, match="assign") as error:
        bind_tcp("192.0.2.1", 0, 1)

    assert "this machine has no such address" in why(error.value)


def test_a_name_that_nobody_knows_is_refused_with_a_reason():
    with pytest.raises(OSError) as error:
        bind_tcp("no-such-host.invalid", 0, 1)

    assert why(error.value)


def test_a_released_socket_turns_callers_away_until_it_is_wanted_again():
    bound = bind_tcp("127.0.0.1", 0, 1)
    address = bound.sockets[0].getsockname()
    bound.release(0)

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    assert address == bound.socket(0).getsockname()
    socket.create_connection(address).close()
    bound.close()


def test_a_unix_socket_is_for_us_and_our_group_and_goes_away_at_the_end(tmp_path):
    path = tmp_path / "s"
    bound = bind_unix(str(path))

    assert (f"unix:{path}", 0o660) == (bound.name, stat.S_IMODE(path.stat().st_mode))
    bound.close()
    assert not path.exists()


def test_a_socket_file_on_which_nobody_answers_is_replaced(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))

    bound = bind_unix(str(path))

    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))
    bound.close()


def test_a_socket_file_on_which_somebody_answers_is_left_alone(tmp_path):
    path = tmp_path / "s"
    first = bind_unix(str(path))

    with pytest.raises(OSError, match="in use"):
        bind_unix(str(path))

    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))
    first.close()


def test_a_socket_file_of_somebody_too_busy_to_answer_is_left_alone(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))  # fills the queue

        with pytest.raises(OSError, match="in use"):
            bind_unix(str(path))

    assert path.exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / "s"
    path.write_text("precious")

    with pytest.raises(OSError, match="in use"):
        bind_unix(str(path))

    assert "precious" == path.read_text()


def test_a_successors_socket_file_is_left_alone(tmp_path):
    path = tmp_path / "s"
    first = bind_unix(str(path))
    path.unlink()
    successor = bind_unix(str(path))

    first.close()

    assert path.exists()
    successor.close()


def test_a_unix_socket_in_a_directory_that_is_not_there_is_refused_with_a_reason(tmp_path):
    with pytest.raises(OSError) as error:
        bind_unix(str(tmp_path / "no" / "s"))

    assert "the directory of the socket file doesn't exist" in why(error.value)
