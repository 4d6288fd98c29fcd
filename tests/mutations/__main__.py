"""Put faults into a copy of the product, one at a time, and see whether the tests find them.

python -m tests.mutations                            40 faults; fails if fewer than 34 are found
python -m tests.mutations --list                     what they are
python -m tests.mutations --only access/gate.py:88   one of them again
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.mutations.choice import choose_faults, read_sources
from tests.mutations.copy import Copy
from tests.mutations.faults import Fault
from tests.mutations.reach import measure_reach
from tests.mutations.trial import Trial

ROOT = Path(__file__).resolve().parents[2]
# Chosen before the first run and kept: another seed is another sample, not a better result.
SEED = 18


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description="See whether the tests find faults.")
    parser.add_argument("--faults", type=int, default=40, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="which (%(default)s)")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this one, as --list names it; repeatable")
    parser.add_argument("--list", action="store_true", help="print the faults and run nothing")
    parser.add_argument("--at-least", type=int, default=34, metavar="N", help="fail if fewer are found (%(default)s)")
    options = parser.parse_args(words)

    sources = read_sources(ROOT / "src")
    faults = dict(enumerate(choose_faults(sources, options.faults, options.seed), 1))
    if options.only:
        if unknown := set(options.only) - {fault.name for fault in faults.values()}:
            parser.error(f"no such fault: {', '.join(sorted(unknown))}; see --list")
        faults = {number: fault for number, fault in faults.items() if fault.name in options.only}
    if options.list:
        for number, fault in faults.items():
            print(_row(number, fault, sources))
        return 0
    found = _run(faults, sources)
    print(f"{found} of {len(faults)} found")
    return 0 if found >= min(options.at_least, len(faults)) else 1


def _run(faults: Mapping[int, Fault], sources: Mapping[str, bytes]) -> int:
    reach = measure_reach(ROOT)
    found = 0
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        trial = Trial(ROOT, Copy(ROOT, Path(folder)), reach)
        for number, fault in faults.items():
            print(_row(number, fault, sources), flush=True)
            outcome = trial.run(fault)
            found += outcome.found_by is not None
            by = f"found by {outcome.found_by}" if outcome.found_by else "SURVIVED"
            print(f"    {by} ({outcome.remark}; {outcome.seconds:.0f} s)", flush=True)
    return found


def _row(number: int, fault: Fault, sources: Mapping[str, bytes]) -> str:
    before, after = fault.describe(sources[fault.file])
    return f"{number:3} {fault.package:13} {fault.name:32} {fault.kind:17} {before}  ->  {after}"


if __name__ == "__main__":
    sys.exit(main())
