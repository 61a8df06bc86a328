"""A real Elasticsearch on this machine, as `tests/search/real-elasticsearch.sh` starts it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from conftest import ROOT

SCRIPT = ROOT / "tests/search/real-elasticsearch.sh"
# It is a hundred megabytes to fetch, and a JVM to start.
IS_WANTED = os.environ.get("LAKEWRIGHT_LONG") == "1"


class Node:
    """A node with its configuration, data and logs in a folder of its own."""

    def __init__(self, name):
        self.folder = Path(tempfile.mkdtemp(prefix=f"lakewright-{name}-", dir="/var/tmp"))
        # `nobody`, who runs it, must reach it.
        self.folder.chmod(0o755)
        self.config = self.folder / "config"

    def configure(self, settings):
        """Its settings, and files that it asks for."""
        # A test machine's disk may be nearly full.
        settings = settings | {"cluster.routing.allocation.disk.threshold_enabled": "false"}
        self.config.mkdir(exist_ok=True)
        (self.config / "elasticsearch.yml").write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))
        for name in ["jvm.options", "log4j2.properties"]:
            (self.config / name).touch()

    def start(self):
        self.script("start")

    def stop(self):
        self.script("stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def script(self, word):
        subprocess.run([SCRIPT, word, self.folder], check=True, timeout=600)
