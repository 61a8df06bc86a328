#!/bin/bash
# Gives the search index on this host a certificate and its users, and starts it. Runs at boot and every two minutes: a password
# that was rotated is taken up, a certificate that ends soon is made anew. What fails is said, and the rest goes on.
set -euo pipefail
source "${SETTINGS:=/etc/lakewright-search}"
: "${ETC:=/etc}"
exec 9<"$SETTINGS"
flock 9

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# Puts a file where a service of that group reads it, whole or not at all, and notes the service if it is another than before.
changed=""
give() {
  if cmp --silent "$2" "$3"; then return; fi
  install -o root -g "$1" -m 0640 "$2" "$3.new"
  mv -f "$3.new" "$3"
  changed="$changed $1"
}

failed=0
# The authority signs this one certificate, and its key is gone with this script.
tls=$ETC/elasticsearch/lakewright
# Five digits take away the bit that a folder of Elastic's hands on: four would set it again, which the unit forbids.
install -d -o root -g elasticsearch -m 00750 "$tls"
if ! openssl x509 -checkend 2592000 -noout -in "$tls/host.crt" >/dev/null 2>&1; then
  cat >openssl <<END
[req]
prompt=no
distinguished_name=name
[name]
CN=$NAME
[authority]
basicConstraints=critical,CA:TRUE,pathlen:0
keyUsage=critical,keyCertSign
subjectKeyIdentifier=hash
[host]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=DNS:$NAME,DNS:localhost,IP:127.0.0.1
END
  new() { openssl req -config openssl -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@" 2>/dev/null; }
  new -x509 -extensions authority -days 825 -subj "/CN=authority of $NAME" -keyout authority.key -out authority.crt
  new -keyout host.key -out host.csr
  openssl x509 -req -in host.csr -CA authority.crt -CAkey authority.key -set_serial "0x$(openssl rand -hex 16)" \
    -extfile openssl -extensions host -days 825 -out host.crt 2>/dev/null
  for file in authority.crt host.key host.crt; do give elasticsearch "$file" "$tls/$file"; done
fi
object=(--bucket "$ARTIFACTS" --expected-bucket-owner "$ACCOUNT" --key "$AUTHORITY")
aws s3api get-object "${object[@]}" published >/dev/null 2>&1 || true
cmp --silent published "$tls/authority.crt" ||
  aws s3api put-object "${object[@]}" --body "$tls/authority.crt" >/dev/null ||
  { echo "$AUTHORITY isn't published: the shipper waits for it" >&2; failed=1; }

# Kibana's own password never leaves this host.
users="kibana:kibana_system"
kept=$ETC/kibana/lakewright.json
if [[ ! -s $kept ]]; then
  printf '{"username": "kibana-server", "password": "%s"}' "$(openssl rand -hex 24)" >kibana
  give root kibana "$kept"
fi
cp "$kept" kibana
for user in $USERS; do
  aws secretsmanager get-secret-value --secret-id "$LOGINS${user%%:*}" --query SecretString --output text >"${user%%:*}" || failed=1
  users="$users $user"
done
# As Elasticsearch's file realm reads them; a hash that is of the password stays, and so does one whose secret says nothing of use.
python3 - "$ETC/elasticsearch/users" $users <<'END' || failed=1
import base64, hashlib, json, os, re, sys
there, *users = sys.argv[1:]
mark = "{PBKDF2}10000$"
def made(password, salt):
  key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 10000, 32)
  return mark + "$".join(base64.b64encode(part).decode() for part in (salt, key))
def pairs(path):
  return dict(line.split(":", 1) for line in open(path).read().split("\n") if ":" in line) if os.path.exists(path) else {}
kept, held = pairs(there), pairs(there + "_roles")
lines, roles, failed = "", "", 0
for user in users:
  secret, role = user.split(":")
  try:
    value = json.load(open(secret))
    name, password = value["username"], value["password"]
    if not re.fullmatch("[A-Za-z0-9_.-]{1,64}", name) or not re.fullmatch("[ -~]{24,}", password):
      raise ValueError
    known = kept.get(name, "")
    salt = base64.b64decode(known.removeprefix(mark).split("$")[0]) if known.startswith(mark) else b""
    line = known if made(password, salt) == known else made(password, os.urandom(32))
    if secret == "kibana":
      # YAML reads a text as JSON has it.
      open("kibana.yml", "w").write(f"elasticsearch.username: {name}\nelasticsearch.password: {json.dumps(password)}\n")
  except (KeyError, TypeError, ValueError):
    failed = 1
    print(f"search-{secret} holds no user and password (24 printable ASCII characters or more):",
          f"`lakewright rotate secret.search-{secret}` makes one", file=sys.stderr)
    name = held.get(role)
    line = kept.get(name)
  if line:
    lines += f"{name}:{line}\n"
    roles += f"{role}:{name}\n"
open("users", "w").write(lines)
open("users_roles", "w").write(roles)
sys.exit(failed)
END
for file in users_roles users; do give elasticsearch "$file" "$ETC/elasticsearch/$file"; done

cat "$ETC/lakewright-kibana.yml" kibana.yml >kibana-all
install -d -o root -g kibana -m 00750 "$ETC/kibana/lakewright"
for file in authority.crt host.key host.crt; do give kibana "$tls/$file" "$ETC/kibana/lakewright/$file"; done
give kibana kibana-all "$ETC/kibana/kibana.yml"

# Elasticsearch looks at its files every few seconds, Kibana at its start.
for unit in elasticsearch.service kibana.service; do
  systemctl is-enabled --quiet "$unit" || systemctl enable --quiet "$unit"
  if [[ $unit == kibana.service && $changed == *kibana* ]]; then
    systemctl restart --no-block "$unit"
  elif ! systemctl is-active --quiet "$unit"; then
    systemctl start --no-block "$unit"
  fi
done
exit "$failed"
