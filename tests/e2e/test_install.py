"""The script that installs what tests need: the folder of Python packages belongs to the Python that made it."""

import os
import subprocess

import pytest

from conftest import ROOT

# Stands for Python: it has the two modules, says which Python it is, and makes a folder of packages whose own Python is itself.
PYTHON = """#!/bin/bash
set -eu
case $* in
  "-c import venv, ensurepip") ;;
  "-c import os, sys"*) echo "$0 {version}" ;;
  "-m venv "*)
    mkdir -p "$3/bin"
    ln -s "$0" "$3/bin/python"
    for program in pip uv; do
      printf '#!/bin/bash\\necho %s >>"{calls}"\\n' $program >"$3/bin/$program"
      chmod +x "$3/bin/$program"
    done ;;
  "-c ") ;;
  *) echo "python3 $*" >&2; exit 99 ;;
esac
"""


@pytest.fixture
def install(tmp_path):
    """Runs the script with such a Python; how often it has made the folder."""
    calls = tmp_path / "calls"
    calls.touch()

    def run(folder, version):
        python = tmp_path / folder / "python3"
        python.parent.mkdir(exist_ok=True)
        python.write_text(PYTHON.format(version=version, calls=calls))
        python.chmod(0o755)
        environment = os.environ | {"PATH": f"{python.parent}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path / "cache")}
        done = subprocess.run([ROOT / "tests" / "tools.sh", "test"], env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return python, calls.read_text().splitlines().count("uv")

    return run


def test_packages_are_installed_anew_for_another_python(install):
    assert install("one", "3.11")[1] == 1
    assert install("one", "3.11")[1] == 1, "nothing has changed"
    assert install("one", "3.12")[1] == 2, "a newer one in the same place"
    python, made = install("two", "3.12")
    assert made == 3, "one in another place"
    assert install("two", "3.12")[1] == 3


def test_packages_whose_python_is_gone_are_installed_anew(install, tmp_path):
    python, made = install("one", "3.11")
    assert made == 1
    link = tmp_path / "cache" / "lakewright" / "venv" / "bin" / "python"
    link.unlink()
    link.symlink_to(tmp_path / "gone" / "python3")
    assert install("one", "3.11")[1] == 2
    assert link.resolve() == python
