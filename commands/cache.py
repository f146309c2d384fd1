"""`warpweave cache`: look at the compiled kernels on disk, or delete them."""

from __future__ import annotations

from collections import defaultdict

import click

from .render import as_json, say, table


@click.group(invoke_without_command=True)
@click.option("--json", "json_", is_flag=True, help="Print as JSON.")
@click.pass_context
def command(context: click.Context, json_: bool) -> None:
    """Show the kernel cache; `cache clear` empties it, `cache path` prints where it is."""
    if context.invoked_subcommand:
        return
    from ..runtime.cache import Cache

    home = Cache()
    entries = home.entries()
    if json_:
        as_json(
            {
                "path": str(home.root),
                "bytes": home.size(),
                "entries": [
                    {"name": e.name, "key": e.key, "bytes": e.bytes, "components": e.components} for e in entries
                ],
            }
        )
        return
    sizes: defaultdict[str, list[int]] = defaultdict(list)
    for entry in entries:
        sizes[entry.name].append(entry.bytes)
    rows = [[name, len(found), sum(found) / 1024] for name, found in sizes.items()]
    table(str(home.root), ["kernel", "versions", "KiB"], rows, right=["versions", "KiB"])
    say(f"{len(entries)} kernels, {home.size() / 2**20:.1f} MiB in {home.root}")


@command.command()
def clear() -> None:
    """Delete every entry."""
    from ..runtime.cache import Cache

    home = Cache()
    say(f"{home.clear() / 2**20:.1f} MiB freed in {home.root}")


@command.command()
def path() -> None:
    """Print the cache's folder."""
    from ..runtime.cache import default_root

    say(str(default_root()))
