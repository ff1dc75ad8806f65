"""A real nginx with TLS in a temporary folder, as the person who runs the tests. Its configuration is that of docs/."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import nginx as proxy
import pytest
from client.servers import eventually, free_port

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = ROOT / "docs" / "nginx-relay.conf"
TIMEOUT_S = 15.0
_MAIN = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/relay.conf;
}}
"""
_HUB = """
    # as a proxy with a login of its own does it, JupyterHub's for one
    location /user/alice/proxy/8001/ {
        if ($http_authorization != "token of-the-hub") { return 302 /hub/login; }
        proxy_pass http://127.0.0.1:8001/;
    }
    location /no-upgrade/ {
        proxy_set_header Host $http_host;
        proxy_pass http://127.0.0.1:8001/;
    }
"""


class Nginx:
    """Listens at `url` with `certificate`, in front of the relays at the ports that docs/nginx-relay.conf names."""

    def __init__(self, folder: Path, ports: dict[int, int]) -> None:
        self.folder = folder
        self.certificate = folder / "certificate.pem"
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        _make_certificate(self.certificate, folder / "key.pem")
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder))
        (folder / "relay.conf").write_text(self._documented(ports))
        path = proxy.find()
        if path is None:
            pytest.fail(f"{proxy.PURPOSE}: `make test` brings one.")
        error_log = folder / "error.log"
        command = [path, "-p", str(folder), "-e", str(error_log), "-c", str(folder / "nginx.conf")]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            eventually(self._listens, TIMEOUT_S)
        except AssertionError:
            self.close()
            pytest.fail(f"nginx does not listen: {error_log.read_text()}")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(TIMEOUT_S)

    def _documented(self, ports: dict[int, int]) -> str:
        """The documentation's file, with what it tells to change changed, and the places of the tests."""
        text = DOCUMENTED.read_text().replace("    proxy_http_version", f"{_HUB}\n    proxy_http_version")
        for old, new in (
            (r"listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
            (r"/etc/ssl/certs/\S+\.pem", str(self.certificate)),
            (r"/etc/ssl/private/\S+\.key", str(self.folder / "key.pem")),
            *((rf"127\.0\.0\.1:{old}", f"127.0.0.1:{new}") for old, new in ports.items()),
        ):
            text, n = re.subn(old, new, text)
            assert n, f"{old} is not in {DOCUMENTED.name}"
        return text

    def _listens(self) -> bool:
        assert self._process.poll() is None
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _make_certificate(certificate: Path, key: Path) -> None:
    """Signed by itself, for `localhost`."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    more = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    done = subprocess.run([*command.split(), *more], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
