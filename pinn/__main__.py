"""``python -m pinn`` is the command line."""

import sys

from pinn.run.cli import main

sys.exit(main())
