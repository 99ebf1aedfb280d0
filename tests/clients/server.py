"""The real `tidegate sim` and `tidegate serve`, as child processes on free ports."""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request



class Server:
    """A simulator, and a proxy in front of it with one group for each provider, and one that goes on with what its first deployment
    breaks off."""

    def __init__(self, binary: str, retries: int = 0, tidegate: str = "") -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="tidegate-clients-")
        self.children: list[subprocess.Popen[bytes]] = []
        sim = self._start("sim", [binary, "sim", "--listen", "127.0.0.1:0"], "simulated providers")
        self.sim = f"http://{sim['addr']}"
        config = pathlib.Path(self.folder.name) / "config.yaml"
        config.write_text(
            f"""model_list:
  - {{model_name: openai, litellm_params: {{model: openai/sim, api_base: "{self.sim}/v1", api_key: sim-key}}}}
  - {{model_name: gemini, litellm_params: {{model: gemini/gemini-2.5-pro, api_base: "{self.sim}/v1beta", api_key: sim-key}}}}
  - {{model_name: openai-breaks, litellm_params: {{model: openai/sim, api_base: "{self.sim}/s/429-frame-open/v1", api_key: sim-key, order: 1}}}}
  - {{model_name: openai-breaks, litellm_params: {{model: openai/sim, api_base: "{self.sim}/s/fast/v1", api_key: sim-key, order: 2}}}}
  - {{model_name: gemini-breaks, litellm_params: {{model: gemini/gemini-2.5-pro, api_base: "{self.sim}/s/429-frame-open/v1beta", api_key: sim-key, order: 1}}}}
  - {{model_name: gemini-breaks, litellm_params: {{model: openai/sim, api_base: "{self.sim}/s/fast/v1", api_key: sim-key, order: 2}}}}
router_settings: {{num_retries: {retries}, cooldown_time: 0}}
general_settings: {{master_key: sk-test}}
tidegate:
  listen: "127.0.0.1:0"
  admin: "127.0.0.1:0"
  groups: {{openai-breaks: {{mid_stream: continue}}, gemini-breaks: {{mid_stream: continue}}}}
{tidegate}
"""
        )
        proxy = self._start("serve", [binary, "serve", "-c", str(config)], "serving")
        self.url = f"http://{proxy['data']}/v1"
        self.admin = f"http://{proxy['admin']}"

    def _start(self, name: str, command: list[str], ready: str) -> dict[str, str]:
        log = pathlib.Path(self.folder.name) / f"{name}.log"
        with log.open("wb") as stderr:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr, env={"HOME": self.folder.name})
        self.children.append(child)
        for _ in range(1200):
            for line in log.read_text().splitlines():
                if line.startswith("{") and (said := json.loads(line)).get("message", "").startswith(ready):
                    return said
            if child.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"`{' '.join(command)}` did not start")

    def metrics(self) -> str:
        with urllib.request.urlopen(f"{self.admin}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def sum(self, name: str, *labels: str) -> float:
        """The sum over the series of `name` that have these labels, each written as `label="value"`."""
        lines = (line for line in self.metrics().splitlines() if line.startswith(name + "{"))
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(label in line for label in labels))

    def stop(self) -> None:
        for child in self.children:
            child.terminate()
        for child in self.children:
            try:
                child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.children.clear()


class World(Server):
    """A simulator, and a proxy in front of it with the groups of `world.yaml`; between them, for some, the witness."""

    def __init__(self, binary: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="tidegate-clients-")
        self.children: list[subprocess.Popen[bytes]] = []
        sim = self._start("sim", [binary, "sim", "--listen", "127.0.0.1:0"], "simulated providers")
        self.sim = f"http://{sim['addr']}"
        here, folder = pathlib.Path(__file__).parent, pathlib.Path(self.folder.name)
        witness = self._start("witness", [sys.executable, "-B", str(here / "witness.py"), self.sim], "witnessing")
        self.witness = f"http://{witness['addr']}"
        account = {
            "type": "service_account",
            "project_id": "sim",
            "private_key": (here.parent / "sim/keys/test-only-service-account.pem").read_text(),
            "client_email": "test-only@sim.iam.gserviceaccount.com",
            "token_uri": f"{self.sim}/token",
        }
        (folder / "account.json").write_text(json.dumps(account))
        config = (here / "world.yaml").read_text()
        for name, what in [("SIM", self.sim), ("WITNESS", self.witness), ("ACCOUNT", str(folder / "account.json"))]:
            config = config.replace(name, what)
        (folder / "config.yaml").write_text(config)
        proxy = self._start("serve", [binary, "serve", "-c", str(folder / "config.yaml")], "serving")
        self.base = f"http://{proxy['data']}"
        self.admin = f"http://{proxy['admin']}"

    def seen(self, tag: str) -> list[dict]:
        """What providers were sent with this tag, as the witness tells it."""
        with urllib.request.urlopen(f"{self.witness}/seen/{tag}", timeout=10) as answer:
            return json.loads(answer.read())


class Liar:
    """A proxy as none should be: it ends every stream halfway, as if that were its end. What is judged must be found out there."""

    def __init__(self, target: str) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                asked = urllib.request.Request(target + self.path, body, headers)
                with urllib.request.urlopen(asked, timeout=30) as answer:
                    kind, told = answer.headers["content-type"], answer.read()
                if kind.startswith("text/event-stream"):
                    events = told.split(b"\n\n")
                    told = b"".join(event + b"\n\n" for event in events[: len(events) // 2])
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def binary() -> str:
    path = os.environ.get("TIDEGATE_BIN")
    if not path or not pathlib.Path(path).is_file():
        raise SystemExit("set TIDEGATE_BIN to the built `tidegate`, as tests/run does")
    return path
