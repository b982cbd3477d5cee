#!/bin/sh
# Turns this computer into a worker of workerpool @WORKERPOOL@ on chain @CHAIN_ID@.
# Made and signed by the pool's owner, @OWNER@, for Poolhand @VERSION@.
#
#   sh join.sh               shows what it will do, asks, and does it
#   sh join.sh --yes ...     does not ask; what follows goes to `poolhand join`
#   sh join.sh --install     puts this version beside others, for a worker that replaces itself
#   sh join.sh --uninstall   takes the worker away again; wallets stay
#
# Nothing is run before the last line, so half a script does nothing.
set -eu

POOL_URL=@POOL_URL_QUOTED@
WHEEL=@WHEEL_QUOTED@
WHEEL_SHA256=@WHEEL_SHA256@
REQUIREMENTS_SHA256=@REQUIREMENTS_SHA256@

say() { printf '%s\n' "$*" >&2; }
fail() { say "poolhand: $*"; exit 2; }

find_python() {
    for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            return 0
        fi
    done
    fail "Python 3.11 or newer is needed and was not found: install it (Debian, Ubuntu: apt install python3 python3-venv; Fedora: dnf install python3; macOS: brew install python@3.12), or name one with PYTHON=/path/to/python3"
}

check_venv() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python has no venv module: install it (Debian, Ubuntu: apt install python3-venv) and run this again"
}

# fetch PATH FILE SHA256: from this pool alone, and refused unless it is the very file
fetch() {
    "$python" - "$POOL_URL/$1" "$2" "$3" <<'END'
import hashlib, os, sys, urllib.request

url, file, wanted = sys.argv[1:]
MOST = 64 * 1024 * 1024


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


try:
    with urllib.request.build_opener(Stay).open(url, timeout=60) as answer:
        body = answer.read(MOST + 1)
except (OSError, ValueError) as fault:
    sys.exit(f"poolhand: {url} was not downloaded ({fault}): try again later, or tell the pool's owner")
found = hashlib.sha256(body).hexdigest()
if found != wanted:
    sys.exit(
        f"poolhand: {url} is not the file that this script was made for (sha256 {found}, not "
        f"{wanted}): nothing was installed; download the script again, or tell the pool's owner"
    )
with open(file + ".part", "wb") as written:
    written.write(body)
os.replace(file + ".part", file)
END
}

show_plan() {
    say "This computer becomes a worker of the pool at $POOL_URL"
    say "(workerpool @WORKERPOOL@, chain @CHAIN_ID@). It will:"
    say "  1. use $("$python" --version) to make an environment in $place"
    say "  2. download from the pool $WHEEL"
    say "     (sha256 $WHEEL_SHA256)"
    say "     and the list of the packages that it needs, each with its hash"
    say "     (sha256 $REQUIREMENTS_SHA256):"
    say @PACKAGES_QUOTED@
    say "  3. have pip install exactly these, from the package index that pip uses on this computer"
    say "  4. start \`poolhand join $POOL_URL\`, which looks at this computer and the pool, makes or"
    say "     imports a wallet, tells what it costs, and asks before it deposits anything"
    say "Nothing outside $place changes before step 4."
}

ask() {
    if [ "$agreed" = yes ]; then return 0; fi
    [ -n "$terminal" ] || fail "there is no terminal to ask at: read what is above, and say --yes if it is meant"
    printf 'Go on? [y/N] ' >&2
    read -r answer <"$terminal" || answer=
    case $answer in
    y | Y | yes | Yes | YES) ;;
    *) say "nothing was done"; exit 1 ;;
    esac
}

install() {
    if [ -f "$new/installed" ]; then
        say "poolhand @VERSION@ is installed already"
    else
        say "downloading from $POOL_URL ..."
        rm -rf "$new"
        mkdir -p "$new/files"
        fetch join/requirements.txt "$new/files/requirements.txt" "$REQUIREMENTS_SHA256"
        fetch "join/$WHEEL" "$new/files/$WHEEL" "$WHEEL_SHA256"
        say "installing (a minute or so) ..."
        "$python" -m venv "$new/env"
        (cd "$new/files" && PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 \
            "$new/env/bin/python" -m pip install -q --require-hashes -r requirements.txt) ||
            fail "pip did not install the packages; its own words are above. No internet but the pool? Give pip an index it can reach (pip config), and run this again"
        # pip has done its work here: it is a seventh of the room, and no worker calls it
        "$new/env/bin/python" -m pip uninstall -q -y pip setuptools 2>/dev/null || :
        # sources in C of packages, and tests of one: 9 MB that no worker reads
        find "$new/env" -type f \( -name '*.c' -o -path '*/SelfTest/*' \) -exec rm -f {} + 2>/dev/null || :
        : >"$new/installed"
    fi
}

take_up() {
    rm -f "$place/current.new"
    ln -s "$new" "$place/current.new"
    "$python" -c 'import os, sys; os.replace(sys.argv[1], sys.argv[2])' "$place/current.new" "$place/current"
    # a worker of an earlier version may still run from its own folder: that one stays
}

uninstall() {
    if [ -x "$place/current/env/bin/poolhand" ]; then
        if [ "$agreed" = yes ]; then set -- --yes "$@"; fi
        hand_over --uninstall "$@" || fail "the worker was not taken away; why is above. Nothing was removed"
    fi
    rm -rf "$place"
    say "removed $place; wallets stay where they are"
}

hand_over() {
    export POOLHAND_COMMAND="$place/current/env/bin/poolhand" # what services are told to start
    if [ -n "$terminal" ] && [ ! -t 0 ]; then
        "$POOLHAND_COMMAND" join "$POOL_URL" "$@" <"$terminal"
    else
        "$POOLHAND_COMMAND" join "$POOL_URL" "$@"
    fi
}

main() {
    place="${POOLHAND_PLACE:-${XDG_DATA_HOME:-$HOME/.local/share}/poolhand}"
    new="$place/version-$(printf %.16s "$REQUIREMENTS_SHA256")"
    agreed=no
    terminal=
    if (: </dev/tty) 2>/dev/null; then terminal=/dev/tty; fi
    case ${1-} in
    --yes) agreed=yes; shift ;;
    esac
    case ${1-} in
    --uninstall)
        shift
        uninstall "$@"
        exit 0
        ;;
    --install)
        find_python
        check_venv
        install
        exit 0
        ;;
    esac
    find_python
    check_venv
    show_plan
    ask
    install
    take_up
    if [ "$agreed" = yes ]; then set -- --yes "$@"; fi
    hand_over "$@"
}

main "$@"
