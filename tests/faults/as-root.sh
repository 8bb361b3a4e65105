#!/bin/sh
# What only root can set up for the fault matrix: a file that makes its process somebody else's, and a full disk.
# Then the matrix runs as an ordinary user:
#
#   cargo test --release --test faults --no-run
#   sudo tests/faults/as-root.sh target/release/deps/faults-… target/release/redkey --trials 300
#
# RUN_AS: the user id (default: whoever called sudo, else nobody's).
set -eu
[ $# -ge 2 ] || { sed -n 2,9p "$0"; exit 2; }
matrix=$(realpath "$1") redkey=$(realpath "$2")
shift 2
user=${RUN_AS:-${SUDO_UID:-65534}}
other=65533
[ "$user" != 0 ] || { echo "not as root: set RUN_AS" >&2; exit 2; }

place=$(mktemp -d /tmp/faults-root.XXXXXX)
clean() {
    umount "$place/full" 2>/dev/null || true
    rm -rf "$place"
}
trap clean EXIT
chmod 755 "$place"
cp "$matrix" "$place/faults"
cp "$redkey" "$place/redkey"
cp "$matrix" "$place/other"
chown "$other:$other" "$place/other"
chmod 4755 "$place/other"
mkdir "$place/full" "$place/tmp"
mount -t tmpfs -o size=64k,mode=755 tmpfs "$place/full"
mkdir "$place/full/state"
dd if=/dev/zero of="$place/full/fill" bs=1k 2>/dev/null || true
chown "$user:$user" "$place/full/state" "$place/tmp"

cd "$place/tmp"
status=0
setpriv --reuid="$user" --regid="$user" --clear-groups env -i PATH=/usr/bin:/bin TMPDIR="$place/tmp" \
    FAULTS_REDKEY="$place/redkey" FAULTS_SETUID="$place/other" FAULTS_FULL="$place/full/state" \
    "$place/faults" "$@" || status=$?
exit "$status"
