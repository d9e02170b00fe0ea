"""`python -m bulk` is the command `bulk`."""

import sys

from bulk.cli.main import main

sys.exit(main())
