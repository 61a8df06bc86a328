#!/usr/bin/env bash
# tools.sh build|test: installs what is missing through apt when run as root; otherwise prints the one line to run.
set -euo pipefail

# A package for each file that shows whether it is there.
declare -A build=(
  [cc]=build-essential [pkg-config]=pkg-config [ld.lld]=lld
  [/usr/include/openssl/ssl.h]=libssl-dev [/usr/include/zlib.h]=zlib1g-dev
)
declare -A test=([python3]=python3 [javac]=openjdk-17-jdk-headless [mvn]=maven [openssl]=openssl)

if ! command -v cargo >/dev/null; then
  echo "cargo is missing: install Rust 1.94.1 or later from https://rustup.rs, then run this again" >&2
  exit 1
fi

missing=()
look() {
  local -n wanted=$1
  local file
  for file in "${!wanted[@]}"; do
    if [[ $file == /* ]]; then
      [[ -e $file ]] || missing+=("${wanted[$file]}")
    else
      command -v "$file" >/dev/null || missing+=("${wanted[$file]}")
    fi
  done
}

look build
if [[ ${1:-build} == test ]]; then
  look test
  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
fi

if ((${#missing[@]})); then
  if ((EUID == 0)); then
    echo "installing ${missing[*]}" >&2
    # What installs packages calls programs of these folders, which a short PATH may lack.
    export PATH=$PATH:/usr/sbin:/sbin
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "some packages are missing; run this, then try again:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y ${missing[*]}" >&2
    exit 1
  fi
fi

if [[ ${1:-build} == test ]]; then
  # Python's clients are in a folder of their own, outside the checkout. It belongs to the Python that made it: it is made anew
  # for another one, and when that one is gone.
  venv=${XDG_CACHE_HOME:-$HOME/.cache}/lakewright/venv
  wanted=$(
    sha256sum <"$(dirname "$0")/requirements.txt"
    python3 -c 'import os, sys; print(os.path.realpath(sys.executable), sys.version)'
  )
  if [[ $(cat "$venv/.made-from" 2>/dev/null) != "$wanted" ]] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    echo "installing the Python packages of the tests into $venv" >&2
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check uv
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" -r "$(dirname "$0")/requirements.txt"
    echo "$wanted" >"$venv/.made-from"
  fi
fi
