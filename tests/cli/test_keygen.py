"""`phantomgate keygen`."""

from __future__ import annotations

import re

from phantomgate.cli.main import main


def test_a_key_is_64_hexadecimal_characters_on_a_line_of_its_own(capsys):
    assert main(["keygen"], {}) == 0
    assert re.fullmatch(r"[0-9a-f]{64}\n", capsys.readouterr().out)


def test_every_key_is_another(capsys):
    main(["keygen"], {})
    main(["keygen"], {})
    first, second = capsys.readouterr().out.split()
    assert first != second
