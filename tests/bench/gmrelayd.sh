#!/bin/bash
# gmrelayd.sh start|stop - adapter that lets a benchmark run gmrelayd.
# Environment: LISTEN_PORT UPSTREAM_PORT PKI WORK; KEEP=1 starts on the spool
# that is there; GMRELAYD names the binary, else the build's in build/.
set -e
here=$(cd "$(dirname "$0")" && pwd)
daemon=${GMRELAYD:-$here/../../build/src/gmrelayd}
dir=$WORK/gmrelayd

case $1 in
start)
	[ -n "$KEEP" ] || rm -rf "$dir"
	mkdir -p "$dir"
	chmod 755 "$WORK" "$dir"
	(umask 077 && echo secret > "$dir/password")
	cat > "$dir/gmrelayd.conf" <<-CONF
	hostname = "bench.example.org"
	spool = "$dir/spool"
	listen = {"127.0.0.1:$LISTEN_PORT"}
	control = "$dir/control.sock"
	submit = "$dir/submit.sock"
	user = "65501"
	relay-user = "65502"
	postmaster = "postmaster@example.org"
	account {
	  username = "u@gmail.test"
	  password-file = "$dir/password"
	  host = "localhost"
	  port = $UPSTREAM_PORT
	  ca-file = "$PKI/ca.pem"
	  connections = 20
	  messages-per-connection = 100000
	  message-gap = 0
	}
	CONF
	: > "$dir/log"
	"$daemon" -c "$dir/gmrelayd.conf" < /dev/null >> "$dir/log" 2>&1 &
	echo $! > "$dir/pid"
	for _ in $(seq 200); do
		grep -q 'ready listen=' "$dir/log" && exit 0
		kill -0 "$(cat "$dir/pid")" || break
		sleep 0.05
	done
	cat "$dir/log" >&2
	exit 1
	;;
stop)
	[ -f "$dir/pid" ] || exit 0
	pid=$(cat "$dir/pid")
	kill "$pid" 2> /dev/null || exit 0
	for _ in $(seq 200); do
		kill -0 "$pid" 2> /dev/null || break
		sleep 0.05
	done
	rm -f "$dir/pid"
	;;
*)
	echo "usage: $0 start|stop" >&2
	exit 2
	;;
esac
