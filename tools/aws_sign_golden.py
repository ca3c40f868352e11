"""Writes src/aws_sign/testdata/signatures.txt: requests as other implementations sign them.

    python -m venv VENV
    VENV/bin/pip install botocore==1.44.5 aws-msk-iam-sasl-signer-python==1.0.2
    VENV/bin/python tools/aws_sign_golden.py

botocore and the signer are Amazon's own (Apache-2.0). A case is a block of lines `WORD VALUE`, or
`WORD NAME=VALUE` with both percent-encoded; what is expected begins with `>`. The tests need
neither the packages nor this script.
"""

import datetime
import hashlib
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import aws_msk_iam_sasl_signer.MSKAuthTokenProvider as msk
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

TARGET = Path(__file__).resolve().parent.parent / "src" / "aws_sign" / "testdata"
TOKEN = "IQoJb3JpZ2luX2VjE/+a b=="
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

# name, service, method, host, path as sent, query, headers, body, with a session token
CASES = [
    ("plain", "iam", "GET", "iam.amazonaws.com", "/", [("Action", "ListUsers")], [], b"", False),
    ("a token", "firehose", "POST", "firehose.eu-west-1.amazonaws.com", "/", [],
     [("Content-Type", "application/x-amz-json-1.1"),
      ("X-Amz-Target", "Firehose_20150804.PutRecord")], b'{"a": 1}', True),
    ("spaces in headers", "iam", "GET", "iam.amazonaws.com", "/x", [],
     [("My-Header", "  a   b\t c "), ("Other", ""), ("my-header", "second")], b"", False),
    ("headers on the way", "iam", "GET", "iam.amazonaws.com", "/", [],
     [("User-Agent", "x"), ("Connection", "close"), ("Expect", "100-continue"),
      ("X-Amzn-Trace-Id", "1"), ("Accept", "*/*")], b"", False),
    ("odd characters", "iam", "GET", "iam.amazonaws.com", "/", [
        ("a b", "c+d&e=f/g~h"), ("A", "%20"), ("-_.~", "!*'()"), ("empty", ""),
        ("\u00e9", "\u4e16\U0001f600"), ("a", "1"), ("a-b", "2")], [], b"", False),
    ("paths are normalised", "iam", "GET", "iam.amazonaws.com",
     "//a/./b/../c%20d//e%2Ff~(x)/", [], [], b"", False),
    ("paths of s3 are not", "s3", "GET", "bucket.s3.eu-west-1.amazonaws.com",
     "//a/./b/../c%20d//e%2Ff~(x)/", [("versionId", "a/b c")], [("Range", "bytes=0-9")], b"", True),
    ("a body of s3", "s3", "PUT", "bucket.s3.eu-west-1.amazonaws.com:9000", "/k",
     [("partNumber", "1")], [], bytes(range(256)), False),
]  # fmt: skip
TIMES = ["20150830T123600Z", "20240229T235959Z"]


def encoded(text):
    return quote(text, safe="-_.~")


def pair(word, name, value):
    return f"{word} {encoded(name)}={encoded(value)}"


def at(time):
    now = datetime.datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    botocore.auth.get_current_datetime = lambda *_, **__: now


def sign(case, kind, time):
    name, service, method, host, path, query, headers, body, has_token = case
    region = "eu-west-1"
    if kind == "query":
        body = b""  # botocore moves one into the query
    credentials = Credentials(KEY, SECRET, TOKEN if has_token else None)
    url = f"https://{host}{path}"
    if query:
        url += "?" + "&".join(f"{encoded(n)}={encoded(v)}" for n, v in query)
    request = AWSRequest(method=method, url=url, data=body)
    for header, value in [("host", host), *headers]:
        request.headers.add_header(header, value)
    at(time)
    payload = hashlib.sha256(body).hexdigest()
    auth = botocore.auth
    if kind == "headers":
        signer = auth.S3SigV4Auth if service == "s3" else auth.SigV4Auth
        signer(credentials, service, region).add_auth(request)
        added = ["X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-SHA256", "Authorization"]
        expected = [(n.lower(), request.headers[n]) for n in added if n in request.headers]
        payload = request.headers.get("X-Amz-Content-SHA256", payload)
    else:
        signer = auth.S3SigV4QueryAuth if service == "s3" else auth.SigV4QueryAuth
        if service == "s3":
            payload = auth.UNSIGNED_PAYLOAD
        signer(credentials, service, region, expires=900).add_auth(request)
        sent = [one.split("=", 1) for one in urlsplit(request.url).query.split("&")]
        expected = [(unquote(n), unquote(v)) for n, v in sent if n.startswith("X-Amz-")]
    return [
        f"case {name}, {kind}", f"kind {kind}", f"region {region}", f"service {service}",
        f"time {time}", f"key {KEY}", f"secret {SECRET}",
        *([f"token {TOKEN}"] if has_token else []),
        f"method {method}", f"path {path}", f"payload {payload}",
        *[pair("query", n, v) for n, v in query],
        pair("header", "host", host), *[pair("header", n, v) for n, v in headers],
        *[pair(">", n, v) for n, v in expected], "",
    ]  # fmt: skip


def msk_token(time, has_token):
    at(time)
    make = getattr(msk, "__construct_auth_token")
    token, expires = make("ap-southeast-2", Credentials(KEY, SECRET, TOKEN if has_token else None))
    agent = getattr(msk, "__get_user_agent__")()
    return [
        f"case msk {time}", "kind msk", "region ap-southeast-2", f"time {time}", f"key {KEY}",
        f"secret {SECRET}", *([f"token {TOKEN}"] if has_token else []), f"agent {agent}",
        pair(">", "token", token), pair(">", "expires", str(expires)), "",
    ]  # fmt: skip


def main():
    used = [f"{name} {version(name)}" for name in ("botocore", "aws-msk-iam-sasl-signer-python")]
    lines = [f"# {', '.join(used)}; by tools/aws_sign_golden.py", ""]
    for number, case in enumerate(CASES):
        time = TIMES[number % len(TIMES)]
        lines += sign(case, "headers", time)
        lines += sign(case, "query", time)
    for has_token in (False, True):
        lines += msk_token(TIMES[has_token], has_token)
    TARGET.mkdir(exist_ok=True)
    (TARGET / "signatures.txt").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
