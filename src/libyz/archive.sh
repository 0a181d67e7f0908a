#!/bin/sh
# archive.sh OUT.a DIR WHOLE.a… -- NEEDED.a…: one relocatable object of all that the first archives have
# and what they need of the others, with everything local that is not exported; as an archive.
set -eu
out=$1 dir=$2
shift 2
whole=
while [ "$1" != -- ]; do
	whole="$whole $1"
	shift
done
shift
mkdir -p "$dir"
# shellcheck disable=SC2086
${LD:-ld} -r -o "$dir/yizhan.o" --whole-archive $whole --no-whole-archive --start-group "$@" --end-group
${OBJCOPY:-objcopy} --localize-hidden "$dir/yizhan.o"
rm -f "$out"
${AR:-ar} crs "$out" "$dir/yizhan.o"
