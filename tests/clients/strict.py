"""Every byte that Tidegate answers with, in each dialect and for each case of `cases.json`, against the SDKs' own models.

The SDKs themselves do not look: they take any JSON for their types. Here each event and each whole answer is parsed by the type
that the SDK gives its user, in pydantic's strict mode: a field that is missing or of another type is a failure. So is one that
the type does not have, but for the extensions that `EXTENSIONS` names: they are looked for in `model_extra`, where pydantic puts
what a type does not know (Google's types forbid it themselves). What is passed through as it came is held to the same.

    strict.py [--dialect NAME]... [--upstream NAME]... [--case NAME]... [--show]

The control: a field too many, one too few and one of another type must each be found in every dialect.

One line a case. The last is `N passed, N failed`; the exit code is 1 if any failed.
"""

import argparse
import functools
import http.client
import json
import sys
import traceback
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pydantic import BaseModel

import others
from dialects import DIALECTS, Dialect
from drivers import base
from judge import TABLE, Score
from recorded import CITED, Recorded
from server import World, binary

THREADS = 8


@dataclass
class Answer:
    """One HTTP answer as it came."""

    status: int
    kind: str
    body: bytes
    whole: bool


def ask(url: str, path: str, headers: dict[str, str], body: object) -> Answer:
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json", **headers})
        answer = connection.getresponse()
        try:
            return Answer(answer.status, answer.headers.get_content_type(), answer.read(), True)
        except http.client.IncompleteRead as error:
            return Answer(answer.status, answer.headers.get_content_type(), error.partial, False)
    finally:
        connection.close()


def events(body: bytes) -> Iterator[tuple[str, str]]:
    """Name and data of each server-sent event, by the standard. What Tidegate writes ends in a blank line, so the rest is nothing."""
    text = body.decode()
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    *blocks, rest = text.split("\n\n")
    assert not rest.strip(), f"an event without its end: {rest!r}"
    for block in blocks:
        name, data = "", []
        for line in block.split("\n"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
            else:
                assert field in ("", "id", "retry"), f"a line that is no field: {line!r}"
        if data:
            yield name, "\n".join(data)


def extras(of: object, path: str, allowed: set[str]) -> Iterator[str]:
    """Paths of the fields that the type does not have."""
    if isinstance(of, BaseModel):
        for name in of.model_extra or {}:
            if name not in allowed:
                yield f"{path}.{name}"
        for name in type(of).model_fields:
            yield from extras(getattr(of, name, None), f"{path}.{name}", allowed)
    elif isinstance(of, list):
        for at, item in enumerate(of):
            yield from extras(item, f"{path}[{at}]", allowed)
    elif isinstance(of, dict):
        for name, item in of.items():
            yield from extras(item, f"{path}.{name}", allowed)


def parse(dialect: Dialect, adapter, data: str) -> object:
    got = adapter.validate_json(data, strict=True)
    unknown = list(extras(got, type(got).__name__, dialect.extensions))
    assert not unknown, f"fields that the type does not have: {', '.join(unknown)} in {data[:600]}"
    return got


def check(dialect: Dialect, answer: Answer, case: dict, stream: bool) -> None:
    assert answer.whole, "the body broke off"
    early, bad = case.get("early"), "status" in case
    if bad and early:
        status = case["status"] if isinstance(case["status"], int) else case["status"][dialect.client]
        assert answer.status == status, f"{answer.status}, not {status}: {answer.body[:300]}"
        assert answer.kind == "application/json", answer.kind
        dialect.error(json.loads(answer.body), status, parse)
        return
    assert answer.status == 200, f"{answer.status}: {answer.body[:600]}"
    if not stream:
        assert answer.kind == "application/json", answer.kind
        parse(dialect, dialect.whole, answer.body.decode())
        return
    assert answer.kind == "text/event-stream", answer.kind
    frames = list(events(answer.body))
    assert frames, "nothing came"
    dialect.stream(frames, bad, parse)


def play(world: World, dialect: Dialect, case: dict, upstream: str, show: bool) -> None:
    stream = case["does"] in ("stream", "tools")
    model = case.get("model", upstream + ("-hasty" if case.get("hasty") else ""))
    path, body = dialect.ask(model, f"sim:{case['scenario']}", stream, case["does"])
    answer = ask(world.base, path, dialect.headers(case.get("key", base.KEY)), body)
    if show:
        print(f"--- {dialect.name} {case['case']} [{upstream}]: {answer.status} {answer.kind}\n{answer.body.decode()}")
    check(dialect, answer, case, stream)


def play_cited(world: Recorded, dialect: Dialect, group: str, show: bool) -> None:
    """A recorded stream that cites a page: it has to be there, in the place that the SDK's type has for it."""
    path, body = dialect.ask(group, "Hi", True, "stream")
    answer = ask(world.base, path, dialect.headers(base.KEY), body)
    if show:
        print(f"--- {dialect.name} cited [{group}]: {answer.status} {answer.kind}\n{answer.body.decode()}")
    check(dialect, answer, {"case": "cited"}, True)
    page = CITED[group][2].encode()
    assert page in answer.body, f"{page} is not cited: {answer.body.decode()[-1500:]}"


def play_others(pool: ThreadPoolExecutor, score: Score, world: World, dialect: Dialect, wanted: list[str]) -> None:
    """The answers that are of no dialect's own shape."""
    for check, upstreams in others.CHECKS:
        for upstream in upstreams or [""]:
            if wanted and upstream not in wanted:
                continue
            run = functools.partial(check, world.base, functools.partial(parse, dialect), *([upstream] if upstream else []))
            pool.submit(score.play, f"{check.__name__} [{upstream or 'of none'}]", run)


def control(world: World, dialect: Dialect) -> None:
    """Each real event or answer, spoiled in turn."""
    fast = next(case for case in TABLE["cases"] if case["scenario"] == "fast")
    path, body = dialect.ask("anthropic", "sim:fast", dialect.streams, "stream" if dialect.streams else "whole")
    answer = ask(world.base, path, dialect.headers(base.KEY), body)
    check(dialect, answer, fast, dialect.streams)
    if dialect.streams:
        data = next(data for _, data in events(answer.body) if dialect.required in json.loads(data))
        adapter = dialect.event
    else:
        data, adapter = answer.body.decode(), dialect.whole
    good = json.loads(data)
    few = {name: value for name, value in good.items() if name != dialect.required}
    for spoiled in (good | {"one_too_many": 1}, few if dialect.misses else good | {"x": 1}, good | {dialect.required: {"x": []}}):
        try:
            parse(dialect, adapter, json.dumps(spoiled))
        except (AssertionError, ValueError):
            continue
        raise AssertionError(f"not found: {json.dumps(spoiled)[:300]}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dialect", action="append", default=[], choices=[dialect.name for dialect in DIALECTS])
    parser.add_argument("--upstream", action="append", default=[], choices=TABLE["upstreams"])
    parser.add_argument("--case", action="append", default=[])
    parser.add_argument("--show", action="store_true", help="print what came")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    world, score = World(binary()), Score(args.verbose)
    recorded = Recorded(binary())
    try:
        with ThreadPoolExecutor(1 if args.show else THREADS) as pool:
            for dialect in DIALECTS:
                if args.dialect and dialect.name not in args.dialect:
                    continue
                pool.submit(score.play, f"{dialect.name} [control]", lambda dialect=dialect: control(world, dialect))
                if dialect.name == "openai-chat" and not args.case:
                    play_others(pool, score, world, dialect, args.upstream)
                cited = CITED if not args.upstream and "cited" in (args.case or ["cited"]) else []
                for group in cited:
                    run = lambda dialect=dialect, group=group: play_cited(recorded, dialect, group, args.show)
                    pool.submit(score.play, f"{dialect.name} cited [{group}]", run)
                for case in TABLE["cases"]:
                    if args.case and case["case"] not in args.case:
                        continue
                    if case["does"] not in dialect.does:
                        continue
                    for upstream in args.upstream or dialect.upstreams or TABLE["upstreams"]:
                        run = lambda dialect=dialect, case=case, upstream=upstream: play(
                            world, dialect, case, upstream, args.show
                        )
                        pool.submit(score.play, f"{dialect.name} {case['case']} [{upstream}]", run)
    except Exception:
        traceback.print_exc()
        raise
    finally:
        world.stop()
        recorded.stop()
    return score.end()


if __name__ == "__main__":
    sys.exit(main())
