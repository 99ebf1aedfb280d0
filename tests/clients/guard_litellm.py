"""The bug report's own litellm, hung by the bug report's own fault, and the guard that ends it.

litellm 1.83.9 runs with the bug report's configuration against the simulated Vertex AI. A stream with an `event: error` line
before its 429 sends it to 100 % CPU; the guard, with its default times, has to find that, end the process, start it, and see
it answer again. Prints the times, and `N passed, N failed`.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

BIN = os.environ["TIDEGATE_BIN"]
ROOT = pathlib.Path(__file__).parents[2]
SCRIPTS = pathlib.Path(sys.executable).parent
PATIENCE = 300


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def get(url: str, timeout: float = 5.0) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.read()
    except (OSError, urllib.error.URLError):
        return None


class World:
    """The simulator, litellm and the guard, in a folder of their own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.port, self.admin = free_port(), free_port()
        self.env = {
            "HOME": str(folder),
            "PATH": f"{SCRIPTS}:/usr/bin:/bin",
            # No table of prices from the network.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        self.children: list[subprocess.Popen[bytes]] = []
        sim = self.child([BIN, "sim", "--listen", "127.0.0.1:0"], "sim.log")
        self.sim = self.told(sim, "sim.log", "simulated providers")["addr"]
        self.write_litellm()
        start = f"exec litellm --config {folder}/litellm.yaml --port {self.port} --host 127.0.0.1"
        self.start = ["/bin/sh", "-c", f"{start} >> {folder}/litellm.log 2>&1 &"]
        self.write_guard()

    def write_litellm(self) -> None:
        """As `tidegate demo` has it."""
        key = (ROOT / "tests/sim/keys/test-only-service-account.pem").read_text()
        account = {
            "type": "service_account",
            "project_id": "my-project",
            "private_key_id": "test-only",
            "private_key": key[key.index("-----BEGIN") :],
            "client_email": "sim@sim-project.iam.gserviceaccount.com",
            "client_id": "1",
            "auth_uri": f"http://{self.sim}/auth",
            "token_uri": f"http://{self.sim}/token",
        }
        credentials = self.folder / "account.json"
        credentials.write_text(json.dumps(account))
        model = "projects/my-project/locations/global/publishers/google/models/gemini-3.1-pro-preview"
        (self.folder / "litellm.yaml").write_text(
            f"""model_list:
  - model_name: gemini-pro
    litellm_params:
      model: vertex_ai/gemini-3.1-pro-preview
      vertex_project: my-project
      vertex_location: global
      vertex_credentials: {json.dumps(str(credentials))}
      api_base: http://{self.sim}/v1/{model}
router_settings: {{num_retries: 0, allowed_fails: 0, cooldown_time: 0}}
"""
        )

    def write_guard(self) -> None:
        """Beside litellm's own sections; only the time to load is longer than usual, for a machine that does other things."""
        guard = {
            "name": "litellm",
            "process": f"litellm --port {self.port}",
            "probe": f"http://127.0.0.1:{self.port}/health/liveliness",
            "before": ["py-spy", "dump", "--pid", "{pid}"],
            "restart": self.start,
            "start_grace": "4m",
        }
        section = {"admin": f"127.0.0.1:{self.admin}", "guard": [guard]}
        litellm = (self.folder / "litellm.yaml").read_text()
        (self.folder / "guard.yaml").write_text(f"{litellm}tidegate: {json.dumps(section)}\n")

    def child(self, command: list[str], log: str) -> subprocess.Popen[bytes]:
        with (self.folder / log).open("ab") as out:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.env)
        self.children.append(child)
        return child

    def told(self, child: subprocess.Popen[bytes], log: str, ready: str) -> dict[str, str]:
        for _ in range(1200):
            for line in (self.folder / log).read_text().splitlines():
                if line.startswith("{") and (said := json.loads(line)).get("message", "").startswith(ready):
                    return said
            if child.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError((self.folder / log).read_text())

    def until(self, what: str, holds, limit: float = PATIENCE):
        began = time.monotonic()
        while time.monotonic() - began < limit:
            if found := holds():
                return found
            time.sleep(0.2)
        raise RuntimeError(f"{what}: not within {limit} s")

    def alive(self) -> bool:
        return get(f"http://127.0.0.1:{self.port}/health/liveliness") is not None

    def incident(self, kind: str):
        found = json.loads(get(f"http://127.0.0.1:{self.admin}/api/incidents") or b'{"incidents": []}')
        return next((one for one in found["incidents"] if one["kind"] == kind), None)

    def guard(self):
        status = json.loads(get(f"http://127.0.0.1:{self.admin}/api/status") or b"{}")
        return (status.get("guards") or [{}])[0]

    def ask(self, scenario: str, timeout: float) -> str | None:
        """What a stream's client gets; `None` where it gives up."""
        body = {"model": "gemini-pro", "stream": True, "messages": [{"role": "user", "content": f"sim:{scenario}"}]}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/chat/completions",
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": "Bearer sk-x"},
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read().decode()}"
        except OSError:
            return None

    def stop(self) -> None:
        for child in self.children:
            child.terminate()
        for child in self.children:
            child.wait()
        # The guard started it, so it is nobody's child.
        pid = self.guard_pid
        with contextlib.suppress(OSError):
            if pid and str(self.folder) in pathlib.Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGKILL)

    guard_pid = None


def play(world: World, check) -> None:
    subprocess.run(world.start, env=world.env, check=True)
    began = time.monotonic()
    world.until("litellm comes up", world.alive)
    print(f"litellm came up after {time.monotonic() - began:.0f} s")
    guard = world.child([BIN, "guard", "-c", str(world.folder / "guard.yaml")], "guard.log")
    world.told(guard, "guard.log", "guarding; no model")
    state = world.until("the guard finds it", lambda: (now := world.guard()).get("state") == "healthy" and now)
    world.guard_pid = old = state["pid"]
    check("the guard has found litellm", old is not None)
    good = world.ask("fast", 60)
    check("a good stream is whole", good is not None and "[DONE]" in good)

    hung = time.monotonic()
    wall = time.time()
    check("the faulty stream gets no end", world.ask("429-event-line", 15) is None)
    check("its health is not answered", not world.alive())
    acted = world.until("the guard acts", lambda: world.incident("guard_acted"))
    after = acted["unix_seconds"] - wall
    print(f"\n{acted['why']}")
    for event in acted["events"]:
        print(f"  {after - event['seconds_before']:6.1f} s  {event['what']}")
    print(f"  {after:6.1f} s  guard_acted")
    print("\n".join(f"    {line}" for line in (acted["detail"] or "").splitlines()[:12]))
    metrics = (get(f"http://127.0.0.1:{world.admin}/metrics") or b"").decode()
    did = [line for line in metrics.splitlines() if line.startswith("tidegate_guard_actions_total") and not line.endswith(" 0")]
    check("the class is spin", len(did) == 1 and 'class="spin"' in did[0])
    check("the diagnosis shows a stack", "Thread" in (acted["detail"] or ""))
    back = world.until("it answers again", lambda: world.incident("guard_recovered"))
    print(f"  {back['unix_seconds'] - wall:6.1f} s  {back['why']}")
    world.guard_pid = new = world.guard().get("pid")
    check("it is another process", new not in (None, old))
    good = world.ask("fast", 60)
    check("a good stream is whole again", good is not None and "[DONE]" in good)
    print(f"from the fault to a good stream: {time.monotonic() - hung:.0f} s\n")


def main() -> int:
    passed, failed = 0, 0

    def check(what: str, holds: bool) -> None:
        nonlocal passed, failed
        passed, failed = passed + holds, failed + (not holds)
        print(f"{'ok    ' if holds else 'FAILED'} {what}", flush=True)

    with tempfile.TemporaryDirectory(prefix="tidegate-guard-") as folder:
        world = World(pathlib.Path(folder))
        try:
            play(world, check)
        except RuntimeError as error:
            check(str(error), False)
            for log in ("guard.log", "litellm.log"):
                text = world.folder / log
                print(text.read_text()[-3000:] if text.exists() else "")
        finally:
            world.stop()
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
