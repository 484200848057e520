"""Write ssl.config for TensorFlow Serving, which wants the contents of PEM files and not their names.

    python serving/ssl_config.py server.key server.pem --client-ca clients.pem --output serving/config/ssl.config

The file holds the private key: it is written for its owner alone. Mount it as a secret.
"""

import argparse
import json
import os
import sys
from pathlib import Path


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Write ssl.config for TensorFlow Serving.")
    parser.add_argument("key", type=Path, help="the server's private key, PEM")
    parser.add_argument("certificate", type=Path, help="its certificate chain, PEM")
    clients = parser.add_mutually_exclusive_group(required=True)
    clients.add_argument(
        "--client-ca", type=Path, help="let in only clients whose certificate one of these has signed (mTLS)"
    )
    clients.add_argument(
        "--any-client", action="store_true", help="let every client in, which may also replace the models"
    )
    parser.add_argument("--output", "-o", type=Path, required=True)
    given = parser.parse_args()
    try:
        text = ssl_config(
            given.key.read_text("ascii"),
            given.certificate.read_text("ascii"),
            given.client_ca.read_text("ascii") if given.client_ca else None,
        )
        _write(given.output, text)
    except (OSError, ValueError) as error:
        print(f"ssl_config: {error}", file=sys.stderr)
        return 2
    return 0


def ssl_config(key: str, certificate: str, client_ca: str | None = None) -> str:
    """An `SSLConfig` in protocol buffers' text format.

    Args:
        key: the server's private key, PEM.
        certificate: its certificate chain, PEM.
        client_ca: certificates of who may vouch for clients, PEM; None lets every client in.

    Raises:
        ValueError: a text is no PEM of its kind.
    """
    fields = {"server_key": (key, "PRIVATE KEY"), "server_cert": (certificate, "CERTIFICATE")}
    if client_ca is not None:
        fields["custom_ca"] = (client_ca, "CERTIFICATE")
    for name, (text, kind) in fields.items():
        if f"{kind}-----" not in text:
            raise ValueError(f"{name} holds no {kind}; expected the text of a PEM file")
    lines = [f"{name}: {json.dumps(text)}" for name, (text, _) in fields.items()]  # \n is spelled alike in both
    return "\n".join([*lines, f"client_verify: {'false' if client_ca is None else 'true'}", ""])


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
