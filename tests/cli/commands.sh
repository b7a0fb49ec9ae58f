#!/bin/sh
# The unibus tool's commands about identities, users, rooms and the control plane: good use, bad use,
# exit codes. Messages have messages.sh.
set -u
. "$(dirname "$0")/../harness/cli.sh"
. tests/harness/bus.sh

# A test of a command: NAME CODE PATTERN COMMAND..., as the admin; and the same as another peer.
u() {
	name=$1 code=$2 pattern=$3
	shift 3
	runs "$name" "$code" "$pattern" unibus "$@"
}
as() {
	who=$1
	shift
	UNIBUS_IDENTITY="$tmp/$who.json" u "$@"
}

bus_env "$tmp/run"
bus_start
bus_peer
pub=$(unibus id show | sed -n 's/^sign_pub *//p')

# ---- of the tool itself ----
u "no command is a matter of usage" 2 'usage: unibus COMMAND'
u "an unknown one, too" 2 "no command 'frobnicate'" frobnicate
u "half of one: which there are" 2 'unibus room create' room
u "a group's --help lists them" 0 'unibus room create' room --help
u "--version" 0 '^unibus [0-9]' --version
u "every command has --help" 0 'usage: unibus room invite' room invite --help
u "an unknown option" 2 'frob' whoami --frob
u "an argument too many" 2 'usage: unibus whoami' whoami me
u "completion for a shell" 0 '_unibus' completion bash
u "completion for none" 2 '' completion tcsh

# ---- id ----
u "id new" 0 'sign_pub' id new --out "$tmp/bob.json"
holds "the file is its owner's only" [ "$(stat -c %a "$tmp/bob.json")" = 600 ]
u "id new never overwrites" 1 'exists' id new --out "$tmp/bob.json"
u "id new in no folder" 1 'could not' id new --out "$tmp/none/bob.json"
u "id show" 0 "sign_pub +$pub" id show
u "id show --json" 0 "\"sign_pub\":\"$pub\"" id show --json
u "id show of none says how to make one" 1 'unibus id new' id show --identity "$tmp/nobody.json"
head -c 100 /dev/urandom >"$tmp/bad.json"
chmod 600 "$tmp/bad.json"
u "id show of what is none" 1 'damaged' id show --identity "$tmp/bad.json"
cp "$tmp/bob.json" "$tmp/open.json"
chmod 644 "$tmp/open.json"
u "id show of one that others can read" 1 'read' id show --identity "$tmp/open.json"
unibus id new --out "$tmp/carol.json" >/dev/null
bob=$(unibus id show --identity "$tmp/bob.json" | sed -n 's/^sign_pub *//p')
bob_fp=$(unibus id show --identity "$tmp/bob.json" | sed -n 's/^fingerprint *//p')
carol=$(unibus id show --identity "$tmp/carol.json" | sed -n 's/^sign_pub *//p')

# ---- whoami, users ----
u "whoami" 0 'admin' whoami
u "whoami --json" 0 '"handle":"admin"' whoami --json
as bob "whoami of a stranger" 1 'an admin must add it' whoami
u "whoami where nobody listens" 1 'is the bus running' whoami --ctrl http://127.0.0.1:1
u "users add" 0 'bob' users add bob "$bob"
u "users add again" 0 '' users add bob "$bob"
u "users add of another's handle" 1 'handle' users add bob "$carol"
u "users add of a malformed key" 1 'malformed|sign_pub' users add carol 123
u "users add with an unknown role" 2 'role' users add carol "$carol" --role king
u "users add as an admin" 0 'carol' users add carol "$carol" --role admin
u "users list" 0 'bob +member +active' users list
u "users list --json" 0 '"handle":"bob"' users list --json
as bob "whoami once added" 0 'bob' whoami
as bob "users list is for admins" 1 'admin|allowed' users list
as carol "whoami of the other" 0 'carol' whoami
u "users revoke needs somebody" 1 "no user 'nobody'" users revoke nobody

# ---- rooms ----
u "room create" 0 'encrypted, signed' room create room.a
u "room create, the subject taken" 1 'belongs to another room' room create room.a
u "room create of a malformed subject" 1 'words of' room create 'no good'
u "room create, two policies at once" 2 'no other policy' room create room.x --plain --no-sign
u "room create --plain" 0 'plain' room create room.plain --plain
u "room create --json" 0 '"encrypt":false' room create room.signed --no-encrypt --json
u "room list" 0 'room.a +owner' room list
u "room list --json" 0 '"subject":"room.a"' room list --json
as bob "room list of one who cannot reach anybody" 1 'running' room list --ctrl http://127.0.0.1:1
u "room show" 0 'members +1' room show room.a
u "room show of none" 1 'no such thing|not_found|no room' room show room.none
u "room invite" 0 'bob is in room.a as member' room invite room.a bob --fingerprint "$bob_fp"
u "room invite of nobody" 1 'no user has the handle' room invite room.a dave
u "room invite with another's fingerprint" 1 'fingerprint' room invite room.a carol --fingerprint "$bob_fp"
u "room invite as owner" 2 'reader, member or admin' room invite room.a carol --role owner
as carol "room join uninvited" 1 '' room join room.a
as bob "room join" 0 'my role +member' room join room.a
as bob "room join --json" 0 '"role":"member"' room join room.a --json
u "room members" 0 "bob +member +$bob_fp" room members room.a
u "room members --json" 0 '"role":"owner"' room members room.a --json
as carol "room members for a stranger" 1 '' room members room.a
as bob "room invite is for admins" 1 'allow' room invite room.a carol
u "room role" 0 'bob is reader' room role room.a bob reader
u "room role that is none" 2 'reader, member, admin or owner' room role room.a bob king
as bob "room role is for admins" 1 'allow' room role room.a bob admin
u "room rekey" 0 'new key' room rekey room.a
as bob "room rekey is not for readers" 1 'allow' room rekey room.a
u "room log" 0 'bob' room log room.a
u "room log --json" 0 '"seq":0' room log room.a --json
u "room log from a number that is none" 2 'from' room log room.a --from x
u "room tighten what?" 2 '--encrypt, --sign or both' room tighten room.signed
u "room tighten" 0 'encrypted, signed' room tighten room.signed --encrypt
u "room tighten --json" 0 '"sign":true' room tighten room.plain --sign --json
as bob "room tighten is not for readers" 1 'allow' room tighten room.a --sign
u "room trust" 0 "bob's present key is trusted" room trust bob "$bob_fp"
u "room trust with another's fingerprint" 1 'fingerprint|changed' room trust carol "$bob_fp"
u "room remove" 0 'bob is out of room.a; the room has a new key' room remove room.a bob
u "room remove of who is not in it" 1 '' room remove room.a bob
u "room invite again" 0 'bob is in' room invite room.a bob
as bob "room leave" 0 'left' room leave room.a
u "room leave is not for the owner" 1 '' room leave room.a
u "room close" 0 'closed for good' room close room.a
u "room close, twice" 1 'closed' room close room.a

# ---- call ----
u "call" 0 '"handle" ?: ?"bob"' call GET /users
u "call with a body" 0 '"dave"' call POST /users "{\"sign_pub\":\"$KEY1\",\"handle\":\"dave\"}"
u "call what is not there" 1 '' call GET /nowhere
u "call with a body that is no JSON" 1 'JSON' call POST /users '{'
as bob "call what is not his" 1 '' call GET /users

u "users revoke" 0 'bob is revoked' users revoke bob
u "users revoke again is fine" 0 'bob is revoked' users revoke bob
as bob "a revoked peer is told" 1 'revoked' whoami
u "users revoke of the last admin" 0 'carol is revoked' users revoke carol
u "users revoke of the very last" 1 'last active admin' users revoke admin
u "--json says what failed" 1 '"code":' room show room.none --json
kill -TERM "$up"
wait "$up"
