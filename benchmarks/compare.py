"""Dandelion against the limit and against other servers: one run, same weights, same photos, same cores.

    python -m benchmarks.compare --peers .venv-peers/bin/python --json result.json --markdown result.md

The limit is decoding and batched inference in a loop, one process a core, no HTTP. Load comes from wrk (Debian), on the
same cores as the servers: what it takes, all lose alike. Peers run from their own environment, made with
`pip install -r benchmarks/requirements.txt`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.limit import measure_decoding, measure_limit
from benchmarks.loads import Row, constant_rate, load
from benchmarks.model import MODELS, export
from benchmarks.photos import PHOTOS, make_photos
from benchmarks.report import markdown, processor
from benchmarks.servers import DidNotStartError, measure_start, running, servers

LARGE_CONNECTIONS = 32


def main() -> None:
    options = parse()
    cores = sorted(os.sched_getaffinity(0))[: options.cores]
    os.sched_setaffinity(0, cores)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = make_photos(folder)
        rows: list[Row] = []
        extra: dict[str, float] = {}
        for model in options.models:
            package, weights = export(model, folder / model, photos["thumbnail"])
            for photo, path in photos.items():
                if photo not in options.photos or (photo != "thumbnail" and model != options.models[0]):
                    continue
                # Large photos come from fewer clients: the slower servers would answer none of 128 within the load.
                connections = [n for n in options.connections if photo == "thumbnail" or n <= LARGE_CONNECTIONS]
                limit = measure_limit(package, path, options.seconds, len(cores))
                rows.append(Row(model, photo, "limit", 0, limit, 0, 0, 0))
                show(rows[-1])
                for server in servers(model, package, weights, options.peers, len(cores)):
                    if options.servers and server.name not in options.servers:
                        continue
                    try:
                        with running(server, folder):
                            rows += [load(server, model, photo, path, each, options.seconds) for each in connections]
                            if server.name == "dandelion" and photo == "thumbnail" and model == options.models[0]:
                                extra |= asyncio.run(constant_rate(server, path, 100, 10))
                    except DidNotStartError as error:  # one that fails ends no run of an hour
                        print(error, file=sys.stderr)
                        nothing = Row(model, photo, server.name, 0, 0, 0, 0, 0, "did not start")
                        rows += [replace(nothing, connections=each) for each in connections]
                    for row in rows[-len(connections) :]:
                        show(row)
            if model == options.models[0]:
                extra |= measure_start(package)
        extra |= measure_decoding(photos["12 megapixels"])
        result = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": " ".join(["python -m benchmarks.compare", *sys.argv[1:]]),
            "processor": processor(),
            "cores": len(cores),
            "rows": [asdict(row) for row in rows],
            "measurements": extra,
        }
    text = markdown(result)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if options.markdown:
        options.markdown.write_text(text)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peers", type=_program, help="Python of the peers' environment; without it only ours is measured"
    )
    parser.add_argument("--seconds", type=float, default=6, help="length of each load")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--connections", type=lambda t: [int(n) for n in t.split(",")], default=[1, 8, 32, 128])
    parser.add_argument("--models", type=lambda t: t.split(","), default=list(MODELS))
    parser.add_argument("--photos", type=lambda t: t.split(","), default=list(PHOTOS))
    names = [server.name for server in servers("", Path(), Path(), Path("python"), 1)]
    parser.add_argument("--server", action="append", choices=names, default=[], dest="servers", help="only this one")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    return parser.parse_args()


def _program(path: str) -> Path:
    """Where a program is; peers run in folders of their own. A link stays one: Python knows its environment by it."""
    if not (found := Path(path).absolute()).is_file():
        raise argparse.ArgumentTypeError(f"{path} is no program; docs/performance.md says how to make the environment")
    return found


def show(row: Row) -> None:
    print(
        f"{row.model}, {row.photo}, {row.connections}: {row.server} "
        + (row.note or f"{row.per_second:.0f}/s, {row.errors} errors"),
        flush=True,
    )


if __name__ == "__main__":
    main()
