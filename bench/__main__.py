"""`make bench`: what Warren costs, in figures. See bench/README.md."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import report, runs
from bench.load import Load
from bench.profiling import profile
from bench.stack import DIALECTS, Stack, direct, embedded, services

SYSTEMS = ("direct", "embedded", "services")


def main() -> None:
    options = _options()
    if options.profile:
        print(_profile(options))
        return
    before = report.load_average()
    results: list[runs.Result] = []
    memories: list[str] = []
    for name in options.only:
        with _system(name) as stack:
            looks: report.Memory = [("before", stack.rss())]
            results += _measure(stack, options)
            looks.append(("after", stack.rss()))
            if stack.parts and not options.no_load:
                memories.append(report.memory(f"Memory of {name}, MB", looks))
            if options.soak and stack.parts:
                memories.append(_soak(stack, options.dialect[0]))
    print("\n\n".join(text for text in (report.head(before), report.tables(results), *memories) if text))
    sys.exit(any(result.seen.errors for result in results))


def _measure(stack: Stack, options: argparse.Namespace) -> Iterator[runs.Result]:
    loads = [] if options.no_load else runs.loads(quick=options.quick, seconds=options.seconds)
    for dialect in options.dialect if stack.parts else DIALECTS[:1]:
        for load in loads:
            _say(f"{stack.name}, {dialect}: {load.kind}, {load.model}, {load.clients if not load.rate else load.rate}")
            yield runs.measure(stack, dialect, load, repeat=options.repeat, wait=options.wait)


def _soak(stack: Stack, dialect: str) -> str:
    looks: report.Memory = []
    wrong = 0
    for made, rss, errors in runs.soak(stack, dialect):
        _say(f"{stack.name}, {dialect}: {made:,} requests, {sum(rss.values()):.0f} MB")
        rested = looks and looks[-1][0] == f"{made:,}"
        looks.append((f"{made:,}, rested" if rested else f"{made:,}", rss))
        wrong = errors
    return report.memory(f"Memory of {stack.name} by requests, MB ({wrong} errors)", looks)


def _profile(options: argparse.Namespace) -> str:
    name = "embedded" if options.profile == "embedded" else "services"
    stream = options.during != "requests"
    model = {"requests": "words-16", "streams": "words-200", "paced": "words-200-every-10"}[options.during]
    load = Load(port=0, model=model, clients=64, stream=stream, seconds=options.seconds)
    with _system(name) as stack:
        return profile(stack, options.profile, options.dialect[0], load, options.stacks)


@contextmanager
def _system(name: str) -> Iterator[Stack]:
    """The system of this name, with a fake provider of its own."""
    _say(f"{name}: starting")
    with ExitStack() as stack:
        upstream = stack.enter_context(direct())
        match name:
            case "embedded":
                yield stack.enter_context(embedded(upstream))
            case "services":
                yield stack.enter_context(services(upstream))
            case _:
                yield upstream


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure Warren against a fake provider.")
    parser.add_argument("--quick", action="store_true", help="a run of a minute: fewer cases, shorter")
    parser.add_argument("--only", type=_list(SYSTEMS), default=SYSTEMS, help="of direct,embedded,services")
    parser.add_argument("--dialect", type=_list(DIALECTS), help="of native,chat: how the provider is spoken to")
    parser.add_argument("--seconds", type=float, help="how long each case is measured")
    parser.add_argument("--repeat", type=int, default=1, help="measure each case so often; show the quietest run")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds to wait for a quiet machine before each case")
    parser.add_argument("--soak", action="store_true", help=f"also make {runs.SOAK:,} requests and watch the memory")
    parser.add_argument("--no-load", action="store_true", help="leave out all but the soak")
    parser.add_argument("--profile", metavar="NAME", help="instead: gateway, worker, ledger or embedded under py-spy")
    parser.add_argument(
        "--during", choices=("requests", "streams", "paced"), default="requests", help="what is profiled"
    )
    parser.add_argument("--stacks", type=Path, help="keep the profile's stacks in this file; speedscope reads it")
    options = parser.parse_args()
    options.dialect = options.dialect or (DIALECTS[:1] if options.quick else DIALECTS)
    options.seconds = options.seconds or (1.5 if options.quick else 10.0 if options.profile else 6.0)
    return options


class _list:  # noqa: N801 - reads as a type
    def __init__(self, known: tuple[str, ...]) -> None:
        self._known = known

    def __call__(self, text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := set(names) - set(self._known):
            raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}")
        return names


if __name__ == "__main__":
    main()
