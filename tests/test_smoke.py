"""The package says who it is, and gives its public names."""

import phantomgate


def test_every_public_name_is_there():
    for name in phantomgate.__all__:
        assert getattr(phantomgate, name) is not None
