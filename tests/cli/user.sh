#!/bin/sh
# membershipd user: the allowlist on the host, with the meaning that REST gives it.
set -u
. "$(dirname "$0")/../harness/cli.sh"
md=$build/membershipd
db=$tmp/unibus.db
user() {
	verb=$1
	shift
	"$md" user "$verb" --db "$db" "$@"
}
listed() {
	user list | grep -qE "$1"
}

runs "list needs a database" 1 'no database' user list
runs "revoke needs one, too" 1 'no database' user revoke --sign-pub $KEY1
holds "and makes none" [ ! -e "$db" ]
runs "a malformed handle is refused" 1 'handle' user add --sign-pub $KEY1 --handle 'No Good'
runs "a malformed key is refused" 1 'sign-pub' user add --sign-pub 123 --handle good
runs "a key in capitals is refused" 1 'sign-pub' \
	user add --sign-pub "$(echo $KEY1 | tr a-f A-F)" --handle good
runs "a key of small order is refused" 1 'sign-pub' user add --handle good --sign-pub \
	0100000000000000000000000000000000000000000000000000000000000000
runs "a missing key is a matter of usage" 2 'sign-pub' user add --handle good
runs "a missing handle, too" 2 'handle' user add --sign-pub $KEY1
runs "an unknown role, too" 2 'role' user add --sign-pub $KEY1 --handle good --role king
holds "no refusal made a database" [ ! -e "$db" ]

runs "the first admin is added" 0 'added root' user add --sign-pub $KEY1 --handle root --role admin
holds "the database is its owner's only" [ "$(stat -c %a "$db")" = 600 ]
runs "the same again is fine" 0 'known already' user add --sign-pub $KEY1 --handle root --role admin
runs "the key with another handle is refused" 1 'active user already' \
	user add --sign-pub $KEY1 --handle other --role admin
runs "the key with another role is refused" 1 'active user already' \
	user add --sign-pub $KEY1 --handle root --role member
runs "the handle for another key is refused" 1 'belongs to another key' \
	user add --sign-pub $KEY2 --handle root
holds "the row is as it was" listed "^root +admin +active +$KEY1"
runs "the last admin cannot be revoked" 1 'last active administrator' user revoke --sign-pub $KEY1
runs "a key that is unknown cannot be revoked" 1 'no user' user revoke --sign-pub $KEY2
runs "the role is member by default" 0 'member' user add --sign-pub $KEY2 --handle bob
runs "a member is revoked" 0 'revoked' user revoke --sign-pub $KEY2
holds "and still listed" listed "^bob +member +revoked +$KEY2"
runs "revoking again is fine" 0 'revoked' user revoke --sign-pub $KEY2
runs "a revoked key is registered anew" 0 'added bob' user add --sign-pub $KEY2 --handle bob
holds "and active" listed "^bob +member +active +$KEY2"
runs "the list is JSON when asked for" 0 '"handle":"bob"' user list --json
chmod 644 "$db"
runs "a database open to others is refused" 1 'others' user list
chmod 600 "$db"
head -c 4096 /dev/urandom >"$tmp/other.db"
chmod 600 "$tmp/other.db"
runs "what is no database is refused" 1 'corrupt' "$md" user list --db "$tmp/other.db"
runs "no verb is a matter of usage" 2 'add, list or revoke' "$md" user
runs "another verb, too" 2 'add, list or revoke' "$md" user drop --db "$db"
runs "--help shows the options" 0 'sign-pub' "$md" user --help
