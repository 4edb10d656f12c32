"""The launcher that supervisord runs: it reads a program's file, records the start, and executes the program.

supervisord's own configuration can't carry every argument and environment value (its quoting loses quotes, `;` and
`#`), does not report how often a program was started, and loses its children when it is killed. A file per program
carries all of that. Standard library only, and run with `python -S -E`: it costs 20 ms.
"""

import json
import os
import sys


def main() -> None:
    """Execute the program that is described in the file named by the first argument."""
    description = sys.argv[1]
    with open(description, encoding="utf-8") as file:  # noqa: PTH123 - importing pathlib takes longer than all of this
        program = json.load(file)
    with open(f"{description}.starts", "a", encoding="utf-8") as starts:  # noqa: PTH123 - as above
        starts.write(f"{os.getpid()}\n")
    os.chdir(program["cwd"])
    names = program.get("inherited", list(os.environ))  # one that runs a model lists what it may have
    environment = {name: os.environ[name] for name in names if name in os.environ} | program["env"]
    os.execvpe(program["argv"][0], program["argv"], environment)  # noqa: S606 - an argument list of our own making


if __name__ == "__main__":
    main()
