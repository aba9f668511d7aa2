"""fastnn completion: print a script that completes commands, options and files in a shell."""

from .console import CommandError
from .parser import help_texts

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


def add_parser(commands, summary):
    parser = commands.add_parser("completion", help=summary, **help_texts(HELP))
    parser.add_argument(
        "shell", choices=SHELLS, metavar="SHELL", help=f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}"
    )
    parser.set_defaults(run=run)


def run(arguments):
    try:
        import shtab
    except ImportError:
        raise CommandError(
            "completion needs shtab, which is not installed. Run: python -m pip install "
            '"fastnn-mlp[cli]"'
        ) from None
    for action in arguments.parser.all_arguments():
        if action.metavar in FILES:
            action.complete = shtab.FILE
    print(shtab.complete(arguments.parser, arguments.shell))
    return 0
