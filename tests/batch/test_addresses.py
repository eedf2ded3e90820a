"""Files at addresses and in object stores: the same rules and limits as everywhere."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from urllib.parse import unquote

import pytest

from thsafe.batch import plan_verification, run_batch
from thsafe.batch.settings import VerifySettings
from thsafe.core.errors import InputError, UsageError
from thsafe.remote import RemoteRules

HERE = ("127.0.0.0/8",)
needs_objects = pytest.mark.skipif(find_spec("obstore") is None, reason="no object stores (thsafe[objects])")


@pytest.fixture
def store(picture, monkeypatch):
    """A bucket of four objects behind the part of the S3 protocol that reading needs, without passwords."""
    objects = {f"folder/{name}.jpg": picture + name.encode() for name in ("a", "b", "c")}
    objects["folder/.hidden.jpg"] = b"x"

    class Bucket(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            if "list-type=2" in self.path:
                entries = "".join(
                    f"<Contents><Key>{name}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                    f"<ETag>&quot;x&quot;</ETag><Size>{len(data)}</Size></Contents>"
                    for name, data in sorted(objects.items())
                    if name.startswith(unquote(self.path.partition("prefix=")[2].partition("&")[0]))
                )
                page = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>".encode()
                self.send(200, page)
            else:
                self.answer(body=True)

        def answer(self, *, body):
            data = objects.get(self.path.partition("?")[0].removeprefix("/bucket/").replace("%2E", "."))
            if data is None:
                self.send(404, b"<Error><Code>NoSuchKey</Code></Error>")
                return
            wanted = self.headers.get("Range")
            if wanted and body:
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                piece = data[int(first) : int(last) + 1 if last else None]
                self.send(206, piece, {"Content-Range": f"bytes {first}-{int(first) + len(piece) - 1}/{len(data)}"})
            else:
                self.send(200, data, body=body)

        def send(self, status, data, more=(), *, body=True):
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", '"x"')
            self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            for name, value in dict(more).items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield address
    server.shutdown()
    server.server_close()


def rules(**changes):
    return RemoteRules(**{"schemes": ("https", "http"), "networks": HERE, **changes})


def run(home, source, allowed, **options):
    settings = VerifySettings(rules=allowed)
    batch = plan_verification([source], settings=settings, home=home, **options).batch.id
    return run_batch(batch, home=home, executor="serial")


@needs_objects
def test_a_prefix_in_a_bucket(lite, store, rows):
    summary = run(lite, "s3://bucket/folder/", rules(), recursive=True)
    assert summary.counts == {"done": 3}
    names = [item.source for item in rows(lite).items(summary.id)]
    assert names == [f"s3://bucket/folder/{name}.jpg" for name in "abc"]


@needs_objects
def test_one_object_and_one_that_is_not_there(lite, store, rows):
    assert run(lite, "s3://bucket/folder/a.jpg", rules()).counts == {"done": 1}
    summary = run(lite, "s3://bucket/folder/none.jpg", rules())
    assert summary.counts == {"failed": 1}
    assert next(rows(lite).items(summary.id)).error["error"] == "input.missing"


@needs_objects
def test_limits_hold_for_objects(lite, store, rows):
    summary = run(lite, "s3://bucket/folder/b.jpg", rules(max_bytes=100))
    assert next(rows(lite).items(summary.id)).error["error"] == "address.size"
    with pytest.raises(InputError) as caught:
        run(lite, "s3://bucket/folder/", rules(networks=()), recursive=True)
    assert caught.value.code == "address.private"
    with pytest.raises(UsageError) as caught:
        run(lite, "s3://bucket/folder/", rules(schemes=("https",)), recursive=True)
    assert caught.value.code == "address.scheme"
    with pytest.raises(UsageError) as caught:
        run(lite, "s3://bucket/folder/", rules(hosts=("other",)), recursive=True)
    assert caught.value.code == "address.host"
    with pytest.raises(UsageError) as caught:
        run(lite, "s3://bucket/folder/", rules())
    assert caught.value.code == "batch.folder"


def test_files_at_http_addresses(lite, store, rows):
    port = int(store.rpartition(":")[2])
    assert run(lite, f"{store}/bucket/folder/a.jpg", rules(ports=(port,))).counts == {"done": 1}
    summary = run(lite, f"{store}/bucket/folder/b.jpg", rules(ports=(port,), networks=()))
    assert next(rows(lite).items(summary.id)).error["error"] == "address.private"
