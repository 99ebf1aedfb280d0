"""Recorded answers that cite pages, played by a server of their own: the simulator's answers cite nothing."""

import http.server
import pathlib
import tempfile
import threading

from server import Server

PLUGINS = pathlib.Path(__file__).parents[2] / "plugins"

#: A group: the parameters of its deployment, with BASE for the server; the stream that it is answered with; a page that is cited.
CITED = {
    "gemini-cited": (
        'model: gemini/gemini-2.5-flash, api_base: "BASE/v1beta", api_key: k',
        "gemini/tests/answers/grounded.sse",
        "https://example.com/redirect/2",
    ),
    "anthropic-cited": (
        'model: anthropic/claude-sonnet-4-5, api_base: "BASE", api_key: k',
        "anthropic/tests/fixtures/web-search.sse",
        "https://tides.example/kiel",
    ),
    "bedrock-cited": (
        'model: "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", aws_region_name: us-east-1, '
        'aws_bedrock_runtime_endpoint: "BASE", aws_access_key_id: k, aws_secret_access_key: k',
        "bedrock/tests/fixtures/citations.eventstream",
        "https://example.com/tide",
    ),
}
KINDS = {".sse": "text/event-stream", ".eventstream": "application/vnd.amazon.eventstream"}


class Handler(http.server.BaseHTTPRequestHandler):
    """The recording whose group is the first part of the path."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        recording = PLUGINS / CITED[self.path.split("/")[1]][1]
        told = recording.read_bytes()
        self.send_response(200)
        self.send_header("content-type", KINDS[recording.suffix])
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None:
        pass


class Recorded(Server):
    """That server, and a proxy in front of it with a group for each recording."""

    def __init__(self, binary: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="tidegate-clients-")
        self.children = []
        self.upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.upstream.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{self.upstream.server_port}"
        groups = "\n".join(
            f"  - {{model_name: {group}, litellm_params: {{{params.replace('BASE', f'{base}/{group}')}}}}}"
            for group, (params, _, _) in CITED.items()
        )
        config = pathlib.Path(self.folder.name) / "config.yaml"
        config.write_text(
            f"model_list:\n{groups}\ngeneral_settings: {{master_key: sk-test}}\n"
            'tidegate: {listen: "127.0.0.1:0", admin: "127.0.0.1:0"}\n'
        )
        self.base = f"http://{self._start('serve', [binary, 'serve', '-c', str(config)], 'serving')['data']}"

    def stop(self) -> None:
        super().stop()
        self.upstream.shutdown()
        self.upstream.server_close()
