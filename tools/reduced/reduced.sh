#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# reduced.sh HONE MODEL [INSPECT OPTION...]: what `make reduced` runs: a static library that runs one model, and
# no other, in a folder of its own.
#
# What Hone can do stands in lists.  `hone inspect --needs` tells which rows the model uses; shorter lists are put
# before the full ones and the few files that hold a list are compiled anew.  The rest comes from parts that all
# models share.  What the public functions cannot reach is then cut away, and only they stay visible.
#
# From the Makefile: MAKE, CROSS, CC, ISAS.  CASE="IN... = OUT..." puts the library to the test on recorded tensors
# (trial.c), through RUNNER where the machine is another one; LIMIT is what it may weigh, in bytes.  PARTS=build/x86_64 takes the parts from a build that is there, for
# tests: made at once, but not small.
set -e
hone=$1 model=$2
shift 2
[ -f "$model" ] || { echo "make reduced MODEL=model.onnx: no file '$model'" >&2; exit 2; }
name=$(basename "$model"); name=${name%.onnx}; name=${name%.tflite}
id=hone_model_${name//[^A-Za-z0-9]/_}
machine=$("$CC" -dumpmachine | cut -d- -f1)
out=build/reduced/$name${CROSS:+-$machine}
own=$out/obj parts=${PARTS:-build/reduced/parts-$machine-${ISAS// /-}}
gen=$own/gen
mkdir -p "$gen"/{graph,runtime,formats,kernels}

# ---- Lists ---------------------------------------------------------------------------------------
"$hone" inspect "$model" --needs "$@" >"$out/needs"

keep() { cmp -s - "$1" <"$1.new" && rm "$1.new" || mv "$1.new" "$1"; }    # unchanged: nothing is compiled again
list() { grep "^$1(" "$out/needs" >"$gen/$2.new" || true; keep "$gen/$2"; }
list OP graph/ops.def
list PASS graph/passes.def
list IMPL runtime/impls.def
list FORMAT formats/formats.def

# Kernels: those that the sources of these implementations name, and what all of them share names.
users=$(grep -L '^const hn_impl hn_impl_' src/runtime/*.[ch] src/runtime/cpu/*.[ch] src/graph/*.[ch]; echo src/runtime/impl.c
        for impl in $(sed -n 's/^IMPL(\(.*\))/\1/p' "$out/needs"); do grep -l "^const hn_impl hn_impl_$impl " src/runtime/cpu/*.c; done)
# shellcheck disable=SC2086
cat $(echo "$users" | sort -u) | grep -oE '(->|\.)[a-z][a-z0-9_]*' | sed 's/^->//; s/^\.//' | sort -u >"$out/named"
awk -F'[(,] *' -v named="$out/named" 'BEGIN { while ((getline row < named) > 0) used[row] = 1 }
    /^KERNEL/ && $3 in used' src/kernels/kernels.def >"$gen/kernels/table.def.new"
keep "$gen/kernels/table.def"

# Translations: those of operators that the file or the graph names.
for list in onnx_upgrade onnx_contrib; do
    while IFS= read -r row; do
        op=$(sed 's/^[A-Z]*("\([^"]*\)".*/\1/' <<<"$row")
        if grep -qaF "$op" "$model" || grep -qixF "OP(${op//_/})" <(tr -d _ <"$out/needs"); then echo "$row"; fi
    done < <(grep -E '^(UPGRADE|CONTRIB)\(' src/formats/$list.def) >"$gen/formats/$list.def.new"
    keep "$gen/formats/$list.def"
done

# ---- Objects -------------------------------------------------------------------------------------
build() { "$MAKE" -s --no-print-directory CC="$CC" ISAS="$ISAS" CFLAGS=-Os LIB_LIBS=-lm \
    opt_scalar=-O2 opt_avx2=-O2 opt_avx512=-O2 opt_amx=-O2 opt_neon=-O2 "$@"; }
in_gen() { grep -rlE "#include \"($(cd "$gen" && echo */*.def | tr ' ' '|'))\"" "$@" | sort -u; }
holders=$(in_gen src/{graph,runtime,formats} --include='*.c')
if [ -z "$PARTS" ]; then
    # Kernels that are kept, and those they call.
    names=$(awk -F'[(,] *' '{ print $3 }' "$gen/kernels/table.def"); before=
    while [ "$names" != "$before" ]; do
        before=$names
        kernels=$(grep -lE "K\((name|${names//$'\n'/|})\)" src/kernels/*.k.c | grep -v table)
        # shellcheck disable=SC2086
        names=$(grep -ohE 'K\([a-z0-9_]+\)' $kernels | sed 's/^K(//; s/)$//' | sort -u)
    done
    build B="$parts" LIB_FLOORS='base tensor kernels graph formats runtime' k_c="$(echo $kernels)" \
          store_c='src/api/ctx.c src/api/model.c src/api/session.c' parts
fi
build B="$own" WARN=-w lib_c="$(echo $holders)" k_c=src/kernels/table.k.c parts

# ---- The library ---------------------------------------------------------------------------------
# The public header, without the sections on what is not here.
awk '/^\/\* ---- / { skip = /device|Language|Streams|Adapters|Guessing|Answers/ }
     /^#ifdef __cplusplus/ { skip = 0 }
     !skip && !/hone_lm|hone_stream/ { sub(/a context and a model of either kind/, "a context and a model")
                                       sub(/a session and a stream by/, "a session by"); print }' include/hone.h >"$out/hone.h"
public=$(sed -n 's/^HONE_API .*[ *]\(hone_[a-z_]*\)(.*/\1/p' "$out/hone.h")
cat >"$out/$id.h" <<END
/* The model $(basename "$model"), as libhone-$name.a carries it: linked in only where it is used.
 *
 *     hone_model_open_memory(ctx, $id, ${id}_size, NULL, &model, &err) */
#include "hone.h"
#ifdef __cplusplus
extern "C" {
#endif
extern const unsigned char $id[];
extern const size_t ${id}_size;
#ifdef __cplusplus
}
#endif
END
cat >"$own/model.c" <<END
#include <stddef.h>
__asm__(".section .rodata\n.balign 64\n.global $id\n.type $id, %object\n$id:\n.incbin \"$(realpath "$model")\"\n"
        ".size $id, . - $id\n.text\n");
const size_t ${id}_size = $(wc -c <"$model");
END
"$CC" -Os -fPIC -c "$own/model.c" -o "$own/model.o"
rm -f "$own/parts.a"
find "$parts/src" -name '*.o' -not -path '*/cli/*' -exec "${CROSS}ar" rcs "$own/parts.a" {} +
# shellcheck disable=SC2086,SC2046
"$CC" -r -nostdlib -Wl,--gc-sections $(printf -- '-Wl,-u,%s ' $public) -o "$own/engine.o" \
    $(find "$own/src" -name '*.o') "$own/parts.a"
"${CROSS}objcopy" --localize-hidden "$own/engine.o"
"${CROSS}strip" --strip-unneeded "$own/engine.o"
missing=$(for f in $public; do "${CROSS}nm" -g --defined-only "$own/engine.o" | grep -q " $f\$" || echo "$f"; done)
[ -z "$missing" ] || { echo "the library lacks: $missing" >&2; exit 1; }
rm -f "$out/libhone-$name.a"
"${CROSS}ar" rcs "$out/libhone-$name.a" "$own/engine.o" "$own/model.o"

# ---- What it weighs ------------------------------------------------------------------------------
link() { "$CC" -Os -std=c11 -I"$out" -include "$id.h" -DMODEL="$id" -DMODEL_SIZE="${id}_size" -Wl,--gc-sections -o "$@" -lm -pthread; }
bytes() { "${CROSS}size" "$1" | awk 'NR == 2 { print $1 + $2 }'; }        # text and data; constants are text
echo 'int main(void) { return 0; }' >"$own/empty.c"
link "$own/empty" "$own/empty.c"
link "$out/trial" tools/reduced/trial.c "$out/libhone-$name.a"
weighs=$(($(bytes "$out/trial") - $(bytes "$own/empty") - $(wc -c <"$model")))
count() { grep -c "^$1" "$2" || true; }
echo "$out/libhone-$name.a: $(count OP "$out/needs") operators, $(count IMPL "$out/needs") implementations," \
     "$(count KERNEL "$gen/kernels/table.def") kernels for $ISAS"
echo "a program with it is $weighs bytes larger, and $(wc -c <"$model") of the model"
if [ "$weighs" -gt "${LIMIT:-$weighs}" ]; then
    echo "that is over the limit of $LIMIT bytes" >&2
    exit 1
fi
# shellcheck disable=SC2086
[ -z "$CASE" ] || $RUNNER "$out/trial" $CASE
