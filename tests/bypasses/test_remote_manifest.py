"""A file points to a manifest on this very machine, to make the reader reach into the network behind its back."""

from __future__ import annotations

import http.server
import threading

import c2pa

from thsafe.home import Home
from thsafe.provenance.manifest import build_manifest


def test_not_fetched(scene, judged, attacks, tmp_path):
    hits = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            hits.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    key = scene.stranger.claim_signer()
    signer = c2pa.Signer.from_callback(key.sign, c2pa.C2paSigningAlg.ES256, key.chain_pem.decode(), None)
    plain, target = tmp_path / "plain.mp4", tmp_path / "remote.mp4"
    attacks.remux(scene.path, plain)
    try:
        with c2pa.Builder(build_manifest(scene.facts())) as builder, plain.open("rb") as source:
            builder.set_no_embed()
            builder.set_remote_url(f"http://127.0.0.1:{server.server_port}/manifest.c2pa")
            with target.open("w+b") as output:
                builder.sign(signer, "video/mp4", source, output)
        verdict, credentials, _, report = judged(target, Home(tmp_path / "without-keys"))
    finally:
        server.shutdown()
        server.server_close()
    assert hits == []
    assert (verdict, credentials) == ("inconclusive", "NOT-EVALUATED")
    assert "not fetched" in report.finding("credentials").summary
