# packages.sh - Debian packages for ./check and ./demo; sourced by both.
# shellcheck shell=bash disable=SC2034 # the lists are its users'

PACKAGES_BUILD=(
	autoconf automake gcc libc6-dev libconfuse-dev libcrypt-dev
	libevent-dev libjansson-dev libseccomp-dev libssl-dev make pkg-config
)
# the sandbox upstream, and what a demo shows
PACKAGES_SANDBOX=(openssl python3)
PACKAGES_CHECK=(
	clang clang-format clang-tidy cppcheck libcmocka-dev libclang-rt-dev
	mandoc shellcheck xz-utils
)
# clients that the daemon must serve; what is missing is skipped and said
PACKAGES_CLIENTS=(curl libnet-ssleay-perl msmtp perl s-nail strace swaks)
# systemd-analyze, which judges the unit; nothing of it runs. Skipped likewise.
PACKAGES_UNIT=(systemd)
# a real server to deliver to, run by the tests alone; skipped likewise
PACKAGES_SERVERS=(libsasl2-modules postfix sasl2-bin)
# programs that call sendmail: unpacked beside the build, never installed (they
# are services and daily jobs); their tests lay them over /usr
PACKAGES_PROGRAMS=(
	at bsd-mailx cron git-email libmailtools-perl logwatch mutt php-cli
	s-nail smartmontools unattended-upgrades
)

packages_policy=/usr/sbin/policy-rc.d
packages_policy_kept=

# As root, by sudo where we are not.
packages_as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

packages_installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null)" = 'ii ' ]
}

# While packages are installed, invoke-rc.d(8) asks this file and starts
# nothing: a check leaves no service behind.
packages_forbid_services()
{
	local script
	script=$(mktemp) || return 1
	printf '#!/bin/sh\nexit 101\n' >"$script"
	if [ -e "$packages_policy" ]; then
		packages_policy_kept=$packages_policy.before-gmrelayd
		packages_as_root mv "$packages_policy" "$packages_policy_kept"
	fi
	packages_as_root install -m 755 "$script" "$packages_policy"
	rm -f "$script"
	trap packages_allow_services EXIT
	trap 'exit 130' INT TERM HUP
}

packages_allow_services()
{
	trap - EXIT INT TERM HUP
	if [ -n "$packages_policy_kept" ]; then
		packages_as_root mv "$packages_policy_kept" "$packages_policy"
	else
		packages_as_root rm -f "$packages_policy"
	fi
	packages_policy_kept=
}

packages_apt()
{
	packages_as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq \
		-o Dpkg::Use-Pty=0 "$@" </dev/null
}

# packages_need NAME...: installs those that are missing; 0 if all are there.
packages_need()
{
	local name missing=() status=0

	if ! command -v dpkg-query >/dev/null; then
		echo "No Debian here: taking it that all is installed ($*)"
		return 0
	fi
	for name; do
		packages_installed "$name" || missing+=("$name")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	echo "Installing what is missing: ${missing[*]}"
	if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
		echo "Neither root nor sudo: please install them yourself"
		return 1
	fi
	packages_forbid_services || return 1
	if ! packages_apt update ||
		! packages_apt install --no-install-recommends --no-remove -y \
			"${missing[@]}" >/dev/null; then
		status=1
	fi
	packages_allow_services
	return $status
}

# Postfix as it comes would serve from the next boot on: without a
# configuration it does not.
packages_need_servers()
{
	if ! packages_installed postfix &&
		command -v debconf-set-selections >/dev/null; then
		echo 'postfix postfix/main_mailer_type select No configuration' |
			packages_as_root debconf-set-selections
	fi
	packages_need "${PACKAGES_SERVERS[@]}"
}

# packages_unpack DIR NAME...: unpacks the packages into DIR, with what they need
# and is not installed; what is there from a run before is used again.
packages_unpack()
{
	local dir=$1 stamp=$1.list file
	shift

	if [ "$(cat "$stamp" 2>/dev/null)" = "$*" ]; then
		return 0
	fi
	if ! command -v dpkg-query >/dev/null || [ "$(id -u)" -ne 0 ]; then
		echo "Neither Debian nor root: nothing is unpacked ($*)"
		return 1
	fi
	echo "Unpacking: $*"
	rm -rf "$dir" "$dir.archives"
	mkdir -p "$dir" "$dir.archives/partial" || return 1
	packages_apt update || true
	packages_apt -o Dir::Cache::archives="$dir.archives" \
		-o APT::Sandbox::User=root --download-only \
		--no-install-recommends --no-remove -y install "$@" \
		>/dev/null || return 1
	for file in "$dir.archives"/*.deb; do
		[ ! -e "$file" ] || dpkg -x "$file" "$dir" || return 1
	done
	rm -rf "$dir.archives"
	echo "$*" >"$stamp"
}
