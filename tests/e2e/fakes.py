"""Programs that stand in for those that the scripts of hosts call."""

# Who owns a file is noted and not changed.
INSTALL = """
words=()
while (($#)); do
  case $1 in -o | -g) shift ;; *) words+=("$1") ;; esac
  shift
done
exec /usr/bin/install "${words[@]}" """


def put(folder, fakes):
    """Puts fakes, bodies of Bash by name, into a world's folder `bin`; each notes how it was called in `calls` of $WORLD."""
    for name, body in fakes.items():
        path = folder / "bin" / name
        path.write_text(f'#!/bin/bash\nset -eu\necho "{name} $*" >>"$WORLD/calls"\n{body}\n')
        path.chmod(0o755)
