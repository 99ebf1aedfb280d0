"""Plays the table of cases with every client library of this environment, through the real proxy, against every upstream.

    judge.py [--client NAME]... [--upstream NAME]... [--case NAME]... [--verbose]

A case is a line of `cases.json`; a library is a module of `drivers`. For each the control: through a proxy that cuts streams
short and says nothing, whole answers must pass and the cases marked `control` must fail. A judge that finds nothing wrong
there would find nothing anywhere.

One line a case. The last is `N passed, N failed`; the exit code is 1 if any failed.
"""

import argparse
import functools
import importlib
import json
import pathlib
import ssl
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import drivers
from drivers import base
from server import Liar, World, binary

TABLE = json.loads(pathlib.Path(__file__).with_name("cases.json").read_text())
# At once. More only makes a machine of few cores late for the clocks of the stalls.
THREADS = 12
# Each client reads the machine's certificates when it is made, for nothing here: that was half of the time.
ssl.create_default_context = functools.cache(ssl.create_default_context)
ARGUMENTS = {"city": "Zürich 潮", "days": 3}


def libraries(wanted: list[str]) -> dict[str, object]:
    """The drivers whose library is here. One that was asked for by name must be."""
    found = {}
    for name in wanted or drivers.NAMES:
        try:
            found[name] = importlib.import_module(f"drivers.{name}")
        except ModuleNotFoundError:
            if wanted:
                raise
    return found


def check(driver, case: dict, model: str, upstream: str) -> None:
    """Plays one case. AssertionError: what the client saw is not what it must see."""
    does = getattr(driver, case["does"].replace("-", "_"))
    ask = f"sim:{case['scenario']}"
    if "status" not in case:
        good(case, upstream, does(case.get("model", model), ask))
        return
    status = case["status"] if isinstance(case["status"], int) else case["status"][driver.dialect]
    try:
        got = does(case.get("model", model), ask)
    except Exception as error:  # noqa: BLE001 - what it is, is what is judged
        told, want = driver.told(error), driver.expected(case.get("early", False), status)
        what = f"{want}, but {told}"
        assert want.kind in told.kinds, what
        assert want.status is None or want.status == told.status, what
        assert want.word is None or want.word == told.word, what
        if case.get("wait"):
            assert told.wait is not None, f"no wait: {what}"
            assert told.wait >= 1 if case["wait"] is True else told.wait == case["wait"], what
    else:
        raise AssertionError(f"nothing was raised, and this came: {got!r}")
    before = "" if case.get("early") else TABLE["before"]
    assert "".join(driver.got) == before, f"before the error came {driver.got!r}"


def good(case: dict, upstream: str, got) -> None:
    match case["does"]:
        case "stream" | "whole":
            assert got.text == TABLE["whole"], got
            assert got.finished is not False, got
            if case.get("usage"):
                usage(got.usage, TABLE["usage"] | TABLE["usage_of"].get(upstream, {}))
        case "tools" | "tools-whole":
            calls, text = got
            assert len(calls) == case["calls"] and len({call.id for call in calls}) == len(calls), calls
            assert all((call.name, call.arguments) == (base.TOOL_NAME, ARGUMENTS) for call in calls), calls
            assert text == TABLE["before"], text
        case "image":
            seen = json.loads(got)
            assert seen["images"] == [{"mime": "image/png", "base64_length": len(base.PNG_BASE64)}], seen
            assert (seen["system"], seen["tools"]) == (base.SYSTEM, [base.TOOL_NAME]), seen
        case "structured":
            assert got["messages"] == 1 and got["images"] == [], got


def usage(got: base.Usage | None, want: dict) -> None:
    assert got is not None, "no usage"
    assert (got.prompt, got.completion) == (want["prompt"], want["completion"]), got
    assert got.cached in (None, want["cached"]), got
    assert got.reasoning in (None, want["reasoning"]), got


class Score:
    """One line a case, as they come."""

    def __init__(self, verbose: bool) -> None:
        self.passed = self.failed = 0
        self.excused: dict[str, list[str]] = {}
        self.verbose = verbose
        self.lock = threading.Lock()

    def left(self, name: str, what: str, why: str) -> None:
        """A case that is not played, and why. Said at the end, once for each reason."""
        self.excused.setdefault(f"{name}: {why}", []).append(what)

    def end(self) -> int:
        """Prints the summary and gives the exit code."""
        for key, what in self.excused.items():
            print(f"left  {key}: {f'{len(what)} cases' if len(what) > 6 else ', '.join(what)}")
        if not self.passed:
            self.failed += 1
            print("FAIL  nothing was played: is any library of `drivers` installed here?")
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0

    def play(self, name: str, run) -> None:
        try:
            run()
            wrong = None
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this case's failure
            wrong = error
        with self.lock:
            if wrong is None:
                self.passed += 1
                print(f"ok    {name}", flush=True)
                return
            self.failed += 1
            print(f"FAIL  {name}: {type(wrong).__name__}: {str(wrong)[:600]}", flush=True)
            if self.verbose:
                traceback.print_exception(wrong)


def control(module, case: dict, liar: str) -> None:
    """A good answer that the liar cuts short, taken for the one that should break: the judge must say that nothing was raised."""
    try:
        check(module.Driver(liar), case | {"scenario": "fast"}, "anthropic", "anthropic")
    except AssertionError as error:
        alone = module.Driver.alone_says
        assert str(error).startswith("nothing was raised") or (alone and alone in str(error)), error
        return
    raise AssertionError("passed through a proxy that lies, so it judges nothing")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", action="append", default=[], choices=drivers.NAMES)
    parser.add_argument("--upstream", action="append", default=[], choices=TABLE["upstreams"])
    parser.add_argument("--case", action="append", default=[])
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    known = {case["case"] for case in TABLE["cases"]}
    if strange := set(args.case) - known:
        parser.error(f"there is no case {', '.join(sorted(strange))}; there are: {', '.join(sorted(known))}")
    cases = [case for case in TABLE["cases"] if not args.case or case["case"] in args.case]
    modules = libraries(args.client)
    world, score = World(binary()), Score(args.verbose)
    liar = Liar(world.base)
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            for name, module in modules.items():
                able = [case for case in cases if hasattr(module.Driver, case["does"].replace("-", "_"))]
                for case in able:
                    for upstream in args.upstream or TABLE["upstreams"]:
                        what, excused = f"{case['case']} [{upstream}]", module.Driver.excused
                        if module.Driver.dialect in case.get("not", {}).get(upstream, []):
                            score.left(name, what, case["why"])
                            continue
                        if why := excused.get(case["case"]) or excused.get(what) or excused.get(f"[{upstream}]"):
                            score.left(name, what, why)
                            continue

                        def run(module=module, case=case, upstream=upstream) -> None:
                            driver = module.Driver(world.base, case.get("key", base.KEY))
                            check(driver, case, upstream + ("-hasty" if case.get("hasty") else ""), upstream)

                        pool.submit(score.play, f"{name} {what}", run)
                for case in able:
                    if case.get("control"):
                        run = lambda module=module, case=case: control(module, case, liar.base)
                        pool.submit(score.play, f"{name} {case['case']} [control]", run)
                    elif case["case"] == "whole":
                        run = lambda module=module, case=case: check(module.Driver(liar.base), case, "anthropic", "anthropic")
                        pool.submit(score.play, f"{name} {case['case']} [through the liar]", run)
    finally:
        liar.stop()
        world.stop()
    return score.end()


if __name__ == "__main__":
    sys.exit(main())
