"""A port that was given away is one server's, and nobody's before it."""

import socket

import pytest

from ports import free_port


def test_nobody_else_is_given_it():
    given = [free_port() for _ in range(200)]
    assert len(given) == len(set(given))
    with socket.socket() as another, pytest.raises(OSError, match="in use"):  # as another process would look for one
        another.bind(("127.0.0.1", given[-1]))


def test_until_a_server_listens_it_is_refused_and_the_server_gets_it():
    port = free_port()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)) as client:
        assert ("127.0.0.1", port) == client.getpeername()


def test_what_is_beside_it_is_given_too():
    port = free_port(10_000)
    with socket.socket() as another, pytest.raises(OSError, match="in use"):
        another.bind(("127.0.0.1", port + 10_000))
