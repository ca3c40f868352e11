"""Certificates for scenarios, made by openssl."""

import subprocess
from types import SimpleNamespace


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make_pki(folder):
    """An authority, the server's certificate and a client's; another authority's client, too."""
    names = SimpleNamespace(folder=folder)

    def authority(name):
        key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", certificate, "-days", "2", "-subj", f"/CN={name}")
        return key, certificate

    def signed(name, subject, by, extension):
        key, request, out = (folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        extensions = folder / f"{name}.ext"
        extensions.write_text(extension)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", request, "-subj", subject)
        openssl("x509", "-req", "-in", request, "-CA", by[1], "-CAkey", by[0], "-CAcreateserial",
                "-out", out, "-days", "2", "-extfile", extensions)
        return key, out

    ours = authority("ours")
    names.ca = ours[1]
    names.server_key, names.server = signed(
        "server", "/CN=localhost", ours, "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    names.client_key, names.client = signed(
        "client", "/O=Acme/CN=robot", ours, "extendedKeyUsage=clientAuth\n")
    names.stranger_key, names.stranger = signed(
        "stranger", "/CN=robot", authority("others"), "extendedKeyUsage=clientAuth\n")
    return names  # fmt: skip
