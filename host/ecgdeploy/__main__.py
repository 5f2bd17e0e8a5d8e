"""``python -m ecgdeploy``."""

from ecgdeploy.cli import main

main()
