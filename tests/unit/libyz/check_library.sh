#!/bin/sh
# check_library.sh LIBRARY INCLUDE: what libyizhan shows and needs, and that its header is also C++.
set -eu
lib=$1 include=$2
fail() {
	echo "not ok 1 - $*"
	exit 1
}
shown=$(nm -D --defined-only "$lib" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }')
foreign=$(echo "$shown" | grep -v '^yz_' || true)
[ -z "$foreign" ] || fail "exported beside yz_*: $foreign"
# What the header declares (YZ_API …) is there; types of functions and words in comments are not.
declared=$(grep -ohE '^YZ_API[^;]*\byz_[a-z0-9_]+\(' "$include"/yizhan*.h | grep -oE '\byz_[a-z0-9_]+\(' | tr -d '(' | sort -u)
[ -n "$declared" ] || fail "the header declares nothing"
missing=$(echo "$declared" | grep -vxF "$shown" || true)
[ -z "$missing" ] || fail "declared, not there: $missing"
for other in uv unbound pq sqlite3 curl confuse jansson; do
	if readelf -d "$lib" | grep NEEDED | grep -q "lib$other\.so"; then
		fail "it needs lib$other"
	fi
done
nm -D -u "$lib" | grep -E ' (uv_|ub_|PQ|sqlite3_|curl_)' && fail "names of a library it must not need"
nm -D -u "$lib" | grep -E ' (signal|sigaction|setlocale|fork)(@|$)' && fail "it changes what is the process'"
if command -v g++ >/dev/null; then
	printf '#include <yizhan.h>\nint main() { yz_options o = YZ_INIT(o); return (int)o.flags; }\n' |
		g++ -Wall -Wextra -Werror -Wno-missing-field-initializers -I"$include" -fsyntax-only -x c++ -std=c++20 - ||
		fail "the header is no C++"
fi
echo "1..1"
echo "ok 1 - the library shows and needs what it should"
