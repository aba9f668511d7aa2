"""fastnn completion: print a script that completes commands, options and files in a shell."""

from dataclasses import dataclass

from .console import CommandError, describe_missing
from .options import Parser, positional

SHELLS = ("bash", "zsh", "fish")
#: Arguments whose values are files: their names in usage.
FILES = {"FILE", "DATA", "MODEL", "TABLE"}
HELP = """
Print a script for a shell that completes commands, options and file names.

examples:
  fastnn completion bash > ~/.local/share/bash-completion/completions/fastnn
  fastnn completion zsh > ~/.zfunc/_fastnn
      ~/.zshrc needs: fpath+=~/.zfunc; autoload -Uz compinit; compinit
  fastnn completion fish > ~/.config/fish/completions/fastnn.fish

Create the folder first, and open a new shell then. Run the command again after an update of fastnn.
"""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `fastnn completion`."""

    shell: str = positional("SHELL", f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}", choices=SHELLS)
    #: The parser of `fastnn`.
    parser: Parser


def run(options):
    if missing := describe_missing(["shtab"], "cli"):
        raise CommandError(f"completion needs {missing}")
    import shtab

    for action in options.parser.all_arguments():
        if action.metavar in FILES:
            action.complete = shtab.FILE
    print(shtab.complete(options.parser, options.shell))
    return 0
