#!/bin/sh
# The layer rule: what each folder may include. A row: folder, then the prefixes it may name. C
# library and POSIX headers are free for everybody but core, which has a list.
set -u
cd "$(dirname "$0")/../.."
PURE="assert|ctype|errno|inttypes|limits|math|stdalign|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|time"
rows() {
	cat <<'ROWS'
libunibus/include ^unibus/
libunibus/core ^(core/|unibus/error|unibus/version|sodium|jansson)
libunibus/client ^(core/|client/|unibus/|sodium|jansson|curl/|nats|uthash|utlist)
libunibus/support ^(core/|support/|unibus/error|unibus/version|sodium|jansson|microhttpd|gnutls/|openssl/)
libunibus/cli ^(cli/|core/|support/|unibus/|jansson)
membershipd/store ^(core/|support/process|membershipd/store/|sqlite3|uthash|utlist|jansson|nats)
membershipd/domain ^(core/|membershipd/domain/|membershipd/store/(store|blob_dir)|sodium|jansson|uthash|utlist)
membershipd/http ^(core/|support/|membershipd/http/|membershipd/domain/|jansson|sodium)
membershipd/nats ^(core/|support/|membershipd/nats/|membershipd/domain/|jansson|sodium|nats|uthash|utlist)
membershipd/cmd ^(core/|support/|membershipd/|jansson|sodium|openssl/)
clientcheck ^(clientcheck/|core/|support/|unibus/|jansson|sodium)
ROWS
}
bad=0
rows | while read -r dir allowed; do
	hits=$(find "$dir" -name '*.[ch]' 2>/dev/null | sort | xargs -r grep -HnE '^#include' |
		sed -E 's/^([^:]+:[0-9]+):#include *[<"]([^>"]+)[>"].*/\1 \2/' |
		awk -v ok="$allowed" -v dir="$dir" -v pure="^($PURE)\\\\.h$" '
			$2 ~ ok { next }
			dir == "libunibus/core" && $2 ~ pure { next }
			dir != "libunibus/core" && dir != "libunibus/include" &&
			$2 ~ /^(arpa|net|netinet|sys|linux)\// { next }
			dir != "libunibus/core" && dir != "libunibus/include" && $2 !~ /\// &&
			$2 !~ /^(sodium|jansson|microhttpd|sqlite3|nats|uthash|utlist)/ { next }
			dir == "libunibus/include" && $2 ~ pure { next }
			{ print }')
	if [ -n "$hits" ]; then
		echo "$hits" | sed "s#^#  $dir may not include: #"
		echo "not ok layers $dir"
	else
		echo "ok layers $dir"
	fi
done
# The domain knows no transport by name either.
if grep -rniE '\b(MHD|sqlite|natsConnection|curl)_' membershipd/domain 2>/dev/null; then
	echo "not ok layers: transport words in the domain"
else
	echo "ok layers: no transport words in the domain"
fi
