"""`python -m phantomgate` is the `phantomgate` command."""

from phantomgate.cli.main import main

raise SystemExit(main())
