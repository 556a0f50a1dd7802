"""Whatever the server does, both HTTP back ends end in the same refusal, in time, and trust that connection no more."""

import pytest

from faults import FAULTS, FaultyServer, closed_port, good
from phantomgate.core.errors import Reason, Refused, Unavailable


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_ends_in_its_refusal(client, name):
    fault = FAULTS[name]
    with FaultyServer(fault.behave or good, good) as server:
        url = server.url if fault.behave else f"http://127.0.0.1:{closed_port()}/"

        with pytest.raises(Refused) as refused:
            client.post(url, timeout=fault.seconds)

        assert refused.value.reason is fault.reason
        assert fault.says in refused.value.detail
        assert (fault.reason is Reason.UNAVAILABLE) == isinstance(refused.value, Unavailable)
        assert "secret" not in f"{refused.value!r} {refused.value.__cause__!r}"
        if fault.behave:
            assert server.connections == 1, "it asked again"
            assert client.post(server.url).status == 200
            assert server.connections == 2, "the connection was used again"
