"""``python -m sciad``: what can be asked of the package from outside of a program."""

from __future__ import annotations

import argparse
import sys
import time

from sciad import self_check
from sciad.native import cache_upkeep
from sciad.native.cache_folders import cache_root


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command; the status to exit with."""
    parser = argparse.ArgumentParser(prog="python -m sciad", description=__doc__.split(": ")[1])
    parser.set_defaults(run=_about)
    commands = parser.add_subparsers(dest="command", metavar="command")
    about = "versions of this package and of those it uses"
    commands.add_parser("versions", help=about, description=about).set_defaults(run=_versions)
    about = "compile, solve and differentiate small problems whose answers are known"
    commands.add_parser("check", help=about, description=about).set_defaults(run=_check)
    _add_cache(commands)
    chosen = parser.parse_args(arguments)
    try:
        return chosen.run(chosen) or 0
    except (OSError, ValueError) as error:
        print(f"python -m sciad: {error}", file=sys.stderr)
        return 1


# -- versions, self-check --------------------------------------------------------------------------------


def _about(chosen) -> int:
    _versions(chosen)
    _size(chosen)
    return _check(chosen)


def _versions(chosen) -> None:
    for name, version in self_check.versions():
        print(f"{name:12}{version}")


def _check(chosen) -> int:
    return 0 if self_check.check() else 1


# -- cache -----------------------------------------------------------------------------------------------


def _add_cache(commands) -> None:
    about = "compiled code that is kept on disk: list, size, prune, clear"
    cache = commands.add_parser("cache", help=about, description=about)
    actions = cache.add_subparsers(dest="action", required=True, metavar="action")
    actions.add_parser("list", help="entries, the longest unused first").set_defaults(run=_list)
    actions.add_parser("size", help="where it is, how large, and its limit").set_defaults(run=_size)
    prune = actions.add_parser("prune", help="delete what was not used for longest")
    prune.add_argument("--to", metavar="SIZE", type=cache_upkeep.size_in_bytes,
                       help="such as 200M; without anything said, the limit, SCIAD_CACHE_SIZE")  # fmt: skip
    prune.add_argument(
        "--unused", metavar="DAYS", type=float, help="delete what was not used for so many days"
    )
    prune.set_defaults(run=_prune)
    actions.add_parser("clear", help="delete all entries").set_defaults(run=_clear)


def _list(chosen) -> None:
    found = cache_upkeep.entries()
    for entry in found:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        elsewhere = "" if entry.is_for_this_machine else f"  for {entry.folder.name}"
        print(f"{used}  {cache_upkeep.readable(entry.size):>8}  {entry.name}{elsewhere}")
    _size(chosen, found)


def _size(chosen, found: list[cache_upkeep.Entry] | None = None) -> None:
    found = cache_upkeep.entries() if found is None else found
    bound = cache_upkeep.limit()
    total = cache_upkeep.readable(sum(entry.size for entry in found))
    of = "without a limit" if bound is None else f"of at most {cache_upkeep.readable(bound)}"
    here = sum(entry.is_for_this_machine for entry in found)
    print(f"{cache_root()}: {len(found)} entries ({here} for this machine and these versions), {total} {of}")


def _prune(chosen) -> None:
    to, since = chosen.to, None
    if chosen.unused is not None:
        since = time.time() - 86400.0 * chosen.unused
    elif to is None:
        to = cache_upkeep.limit()
    _say_deleted(cache_upkeep.prune(to, since))


def _clear(chosen) -> None:
    _say_deleted(cache_upkeep.clear())


def _say_deleted(deleted: list[cache_upkeep.Entry]) -> None:
    size = cache_upkeep.readable(sum(entry.size for entry in deleted))
    print(f"{len(deleted)} entries deleted, {size}")
    _size(None)


if __name__ == "__main__":
    sys.exit(main())
