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
import itertools
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
TAGS = itertools.count(1)


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


def check(driver, case: dict, model: str, upstream: str, world: World | None = None) -> None:
    """Plays one case. AssertionError: what the client saw, or what the provider of this world was sent, is not what it must be."""
    does = getattr(driver, case["does"].replace("-", "_"))
    tag = f"{next(TAGS)}"
    ask: object = " ".join([*([f"sim:{case['scenario']}"] if "scenario" in case else []), f"#judge-{tag}"])
    if case["does"] == "embed":
        ask = [f"{text} {ask}" for text in "ab"]
    run = functools.partial(does, case.get("model", model), *([] if case["does"] == "models" else [ask]))
    if "status" not in case:
        good(case, driver, upstream, run())
        if world and "sent" in case:
            sent(case["sent"], world.seen(tag))
        return
    status = case["status"] if isinstance(case["status"], int) else case["status"][driver.dialect]
    early = case.get("early", False)
    try:
        got = run()
    except Exception as error:  # noqa: BLE001 - what it is, is what is judged
        told, want = driver.told(error), driver.expected(early, status)
        if case.get("overflow"):
            want = driver.overflow
        what = f"{want}, but {told}"
        assert want.kind in told.kinds, what
        assert want.status is None or want.status == told.status, what
        assert want.word is None or want.word == told.word, what
        assert want.type is None or want.type == told.type, what
        assert want.says in told.sentence, f"not said: {what}"
        says = case.get("says", "")
        says = says if isinstance(says, str) else says.get(upstream) or says["*"]
        assert says in told.sentence, f"not said: {says!r}: {what}"
        if case.get("wait"):
            assert told.wait is not None, f"no wait: {what}"
            assert told.wait >= 1 if case["wait"] is True else told.wait == case["wait"], what
        if world and "calls" in case:
            seen = len(world.seen(tag))
            assert seen == case["calls"], f"the provider was asked {seen} times"
    else:
        raise AssertionError(f"nothing was raised, and this came: {got!r}")
    before = "" if early else TABLE["before"]
    assert "".join(driver.got) == before, f"before the error came {driver.got!r}"


def good(case: dict, driver, upstream: str, got) -> None:
    match case["does"]:
        case "stream" | "whole" | "unasked":
            assert got.text == TABLE["whole"], got
            assert got.finished is not False, got
            if case.get("usage"):
                usage(got.usage, TABLE["usage"] | TABLE["usage_of"].get(upstream, {}))
            if case["does"] == "unasked":
                assert got.usage is None, got
        case "tools" | "tools-whole":
            calls, text = got
            assert len(calls) == case["calls"] and len({call.id for call in calls}) == len(calls), calls
            assert all((call.name, call.arguments) == (base.TOOL_NAME, ARGUMENTS) for call in calls), calls
            assert text == TABLE["before"], text
        case "image":
            seen = json.loads(got)
            # Ollama's have no word for what they are.
            want = {"base64_length": len(base.PNG_BASE64)} | ({} if upstream == "ollama" else {"mime": "image/png"})
            assert seen["images"] == [want], seen
            assert (seen["system"], seen["tools"]) == (base.SYSTEM, [base.TOOL_NAME]), seen
        case "structured":
            assert got["messages"] == 1 and got["images"] == [], got
        case "stop":
            assert got == TABLE["whole"], got
        case "rich" | "rich-stream":
            want = TABLE["rich"]
            assert got.text == want["text"], got
            assert got.thought in (None, want["thought"]), got
            assert got.pages in (None, [want["page"]]), got
        case "logprobs" | "logprobs-stream":
            assert got == [(TABLE["rich"]["token"], TABLE["rich"]["logprob"])], got
        case "count":
            exact = TABLE["counted"].get(driver.dialect, {}).get(upstream)
            assert got == exact if exact else got >= 1, got
        case "models":
            names, one = got
            assert upstream in names and one == upstream, got
        case "embed":
            assert got == TABLE["vectors"], got
        case other:
            raise AssertionError(f'{case["case"]}: "{other}" is not known here')


def sent(what: str, seen: list[dict]) -> None:
    """What the provider must have been sent, of all that `image` and its like ask for."""
    assert seen, "the witness saw nothing"
    told = seen[-1]
    match what:
        case "images":
            assert told.get(what) == [{"mime": "image/png", "data": base.PNG_BASE64}], told
        case "schema":
            assert set(told.get(what, {}).get("properties", {})) == set(base.Seen.model_fields), told
            # Google's own schemas have capitals.
            assert told[what]["type"].lower() == "object", told
        case "stop":
            assert told.get(what) == base.STOP, told
        case "texts":
            assert told.get(what) == len(TABLE["vectors"]), told
        case "usage":
            # Others tell it unasked.
            assert told["wire"] not in ("chat", "completions") or told.get(what) is True, told
        case other:
            raise AssertionError(f'"{other}" is not known here')


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


def blind(case: dict) -> None:
    """What was sent, with none of what the case sends, or with something else: the judge must see that."""
    for seen in ([], [{"wire": "chat"}], [{"wire": "chat", case["sent"]: ["else"] if case["sent"] != "schema" else {}}]):
        try:
            sent(case["sent"], seen)
        except AssertionError:
            continue
        raise AssertionError(f"{seen} is taken for what was to be sent")


def plays(case: dict, upstream: str) -> bool:
    """Whether this upstream is for this case."""
    return upstream in case["only"] if "only" in case else upstream in TABLE["upstreams"] or case.get("others", False)


def group(driver, case: dict, upstream: str) -> str:
    """The model that the case is asked of."""
    seen = "sent" in case or case.get("seen") or upstream in driver.witnessed
    return upstream + ("-seen" if seen else "") + ("-hasty" if case.get("hasty") else "")


def excuse(driver, case: dict, upstream: str) -> str | None:
    """Why this client does not play this, if it does not."""
    if driver.dialect in case.get("not", {}).get(upstream, []):
        return case["why"]
    names = [case["case"], f"{case['case']} [{upstream}]", f"[{upstream}]"]
    return next((driver.excused[name] for name in names if name in driver.excused), None)


def main() -> int:
    upstreams = TABLE["upstreams"] + TABLE["others"]
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", action="append", default=[], choices=drivers.NAMES)
    parser.add_argument("--upstream", action="append", default=[], choices=upstreams)
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
            for case in cases:
                if "sent" in case:
                    pool.submit(score.play, f"{case['case']} [the witness's control]", functools.partial(blind, case))
            for name, module in modules.items():
                able = [case for case in cases if getattr(module.Driver, case["does"].replace("-", "_"), None)]
                for case in able:
                    for upstream in (upstream for upstream in args.upstream or upstreams if plays(case, upstream)):
                        what = f"{case['case']} [{upstream}]"
                        if why := excuse(module.Driver, case, upstream):
                            score.left(name, what, why)
                            continue

                        def run(module=module, case=case, upstream=upstream) -> None:
                            driver = module.Driver(world.base, case.get("key", base.KEY))
                            check(driver, case, group(module.Driver, case, upstream), upstream, world)

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
