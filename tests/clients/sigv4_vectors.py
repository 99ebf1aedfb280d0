"""Requests signed by botocore, AWS's own client for Python: what the proxy's signer has to come to as well.

Writes them as JSON to standard output; with `--check FILE` it says whether FILE has the same. The file is
core/src/upstream/auth/aws/vectors.json, which the Rust tests read.
"""
import datetime
import json
import sys
from urllib.parse import quote

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

AT = datetime.datetime(2026, 11, 27, 8, 5, 9, tzinfo=datetime.timezone.utc)
BASE = "https://bedrock-runtime.us-east-1.amazonaws.com"
KEY = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TOKEN = "IQoJb3JpZ2luX2VjE/EXAMPLE+TOKEN=="
MODELS = [
    "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "us.amazon.nova-pro-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-20250514-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3",
]


def requests():
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": "潮 – hello"}]}]}, ensure_ascii=False)
    for model in MODELS:
        for call in ("converse", "converse-stream"):
            url = f"{BASE}/model/{quote(model, safe='-_.~')}/{call}"
            yield f"{call} of {model}", "POST", url, body, None, "us-east-1", "bedrock"
    model = f"{BASE}/model/{quote(MODELS[0], safe='-_.~')}/converse"
    yield "a session", "POST", model, body, TOKEN, "us-east-1", "bedrock"
    yield "no body", "POST", model, "", None, "eu-central-1", "bedrock"
    # A colon that was not encoded, a port, a base path with what is taken out of it.
    yield "a colon as it is", "POST", f"{BASE}/model/{MODELS[0]}/converse", body, None, "us-east-1", "bedrock"
    yield "another host", "POST", "http://127.0.0.1:4101/at//a/./b/../model/m/converse", body, TOKEN, "us-west-2", "bedrock"
    yield "a query", "GET", f"{BASE}/list?b=2&a=1&a=0&empty", "", None, "us-east-1", "bedrock"
    yield "no path", "GET", f"{BASE}", "", None, "us-east-1", "service"
    yield "a slash at the end", "GET", f"{BASE}/a%20b/", "", None, "us-east-1", "service"


def signed():
    botocore.auth.get_current_datetime = lambda *_, **__: AT.replace(tzinfo=None)
    for name, method, url, body, token, region, service in requests():
        request = AWSRequest(method, url, headers={"Content-Type": "application/json"}, data=body.encode())
        botocore.auth.SigV4Auth(Credentials(*KEY, token), service, region).add_auth(request)
        yield {
            "name": name,
            "method": method,
            "url": url,
            "body": body,
            "id": KEY[0],
            "secret": KEY[1],
            "token": token,
            "region": region,
            "service": service,
            "date": request.headers["X-Amz-Date"],
            "authorization": request.headers["Authorization"],
        }


def main():
    vectors = list(signed())
    if sys.argv[1:2] == ["--check"]:
        with open(sys.argv[2], encoding="utf-8") as file:
            sys.exit(0 if json.load(file) == vectors else f"{sys.argv[2]} is not what botocore signs")
    json.dump(vectors, sys.stdout, ensure_ascii=False, indent=1)
    print()


if __name__ == "__main__":
    main()
