"""``python -m weir.jobmanager``: see ``main``."""

import sys

from weir.jobmanager.main import main

sys.exit(main())
