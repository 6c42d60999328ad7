"""What reaches Dify when somebody who is not this machine forges where they come from: run in a network namespace of its own, where
this machine has an address that is not loopback. Prints the fields that Dify saw, with and without that address among `trusted`.

    unshare --map-root-user --net python tests/wire/stranger.py DIRECTORY
"""
import json
import pathlib
import subprocess
import sys

import requests

from conftest import Outrigger
from test_dify_door import Backend

ADDRESS = "192.0.2.1"  # for documentation (RFC 5737): nobody's
FORGED = {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https", "x-forwarded-host": "evil.example", "x-real-ip": "1.2.3.4",
          "cf-connecting-ip": "1.2.3.4", "forwarded": "for=1.2.3.4", "X_Forwarded_For": "1.2.3.4"}


def main(directory):
    for words in (["link", "set", "lo", "up"], ["address", "add", f"{ADDRESS}/32", "dev", "lo"]):
        subprocess.run(["ip", *words], check=True)
    backend, seen = Backend(), []
    for trusted in ("", f'[dify]\ntrusted = ["{ADDRESS}/32"]\n'):
        proxy = Outrigger(directory, f'[listen]\nllm = "127.0.0.1:0"\nadmin = "127.0.0.1:0"\ndify = "{ADDRESS}:0"\n'
                                     f'[[upstream]]\nname = "dify"\nurl = "{backend.url}"\ndialect = "dify"\n{trusted}')
        try:
            port = proxy.wait_for(rf"dify door on {ADDRESS}:(\d+)").group(1)
            requests.get(f"http://{ADDRESS}:{port}/console/api/x", headers=FORGED, timeout=10).raise_for_status()
        finally:
            proxy.stop()
        seen.append({name.lower(): value for name, value in backend.heads[-1][1].items()})
    print(json.dumps(seen))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
