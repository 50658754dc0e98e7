"""`python -m sface_lib.cli`, which `torchrun` starts too."""

import sys

from sface_lib.cli import main

sys.exit(main())
