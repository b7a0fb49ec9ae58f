# bus.sh: a whole bus for a shell test, as `make up` starts it. Sourced after cli.sh.
#
#   bus_env     free ports and a run folder under $tmp, in the environment that deploy/up.sh reads
#   bus_start   starts it in the background, as a script would (INT ignored), and waits for the last
#               line that it says; $up is its pid, $tmp/said what it said, $tmp/after what follows

# Below the range that outgoing connections take theirs from.
free_port() {
	while :; do
		p=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
		if "$build/supervise" --free "x:$p:X" 2>/dev/null; then
			echo "$p"
			return
		fi
	done
}

bus_env() {
	UNIBUS_RUN_DIR=$1
	UNIBUS_HTTP_PORT=$(free_port)
	UNIBUS_NATS_PORT=$(free_port)
	UNIBUS_WEB_PORT=$(free_port)
	UNIBUS_BUILD=$build
	XDG_STATE_HOME=$tmp/state
	export UNIBUS_RUN_DIR UNIBUS_HTTP_PORT UNIBUS_NATS_PORT UNIBUS_WEB_PORT UNIBUS_BUILD
	export XDG_STATE_HOME
}

bus_start() {
	rm -f "$tmp/pipe"
	mkfifo "$tmp/pipe"
	sh deploy/up.sh >"$tmp/pipe" 2>&1 </dev/null &
	up=$!
	: >"$tmp/said"
	exec 5<"$tmp/pipe"
	while read -r line <&5; do
		echo "$line" >>"$tmp/said"
		case $line in *clientcheck*) break ;; esac
	done
	cat <&5 >"$tmp/after" &
	exec 5<&-
}

# What programs of ours need to be peers of it, with the admin's identity.
bus_peer() {
	UNIBUS_CTRL_URLS=http://127.0.0.1:$UNIBUS_HTTP_PORT
	UNIBUS_NATS_URLS=nats://127.0.0.1:$UNIBUS_NATS_PORT
	UNIBUS_IDENTITY=$UNIBUS_RUN_DIR/admin.json
	PATH=$build:$PATH
	export UNIBUS_CTRL_URLS UNIBUS_NATS_URLS UNIBUS_IDENTITY PATH
}

# An identity $tmp/NAME.json, registered under that handle and known to the control plane.
bus_user() {
	unibus id new --out "$tmp/$1.json" >/dev/null
	unibus users add "$1" "$(unibus id show --identity "$tmp/$1.json" | sed -n 's/^sign_pub *//p')" >/dev/null
	unibus whoami --identity "$tmp/$1.json" >/dev/null
}

# Waits until a file has a line that matches; what writes it is $pid.
has_line() {
	until grep -qE -- "$1" "$2" 2>/dev/null; do
		kill -0 "$pid" 2>/dev/null || grep -qE -- "$1" "$2" 2>/dev/null || return 1
	done
}
