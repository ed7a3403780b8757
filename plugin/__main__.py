"""`python -m plugin` is the command `wetread`."""

from plugin.cli import main

main(prog_name="wetread")
