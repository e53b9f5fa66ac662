#!/bin/sh
#
# Test TBs kept in a file where there is other code in other runs
#
# SPDX-License-Identifier: GPL-2.0-or-later

test="cache-code"
# shellcheck source-path=SCRIPTDIR source=scripts.inc.sh
. "$(dirname "$0")/scripts.inc.sh"
leaves=128

good "" ./cache-code jit "$tmp/file" 1
run "" ./cache-code
parts=$(cat "$tmp/out")

for part in $parts; do
    [ "$part" != race ] || continue
    for n in 1 1 2 1 2 3; do
        good "$dir" ./cache-code "$part" "$tmp/file" $n
        [ -n "$taken" ] || fail "nothing is kept"
        case $part in
        jit)
            [ "$made" -ge $((4 * leaves)) ] || fail "of a JIT, $made are made"
            ;;
        esac
    done
    # All that is of a file was there before.
    good "$dir" ./cache-code "$part" "$tmp/file" 2
    case $part in
    leaves | span | behind | branch | replace)
        [ "$taken" -gt $((made * 10)) ] ||
            fail "$taken are taken over, $made made" ;;
    esac
    for n in 1 2 4 4; do
        good "$dir,check=on" ./cache-code "$part" "$tmp/file" $n
    done
done

for i in 1 2 3; do
    good "$tmp/race-$i" ./cache-code race "$tmp/file" 0
    for n in 1 2; do
        good "$tmp/race-$i,check=on" ./cache-code race "$tmp/file" $n
        good "$tmp/race-$i" ./cache-code race "$tmp/file" $n
    done
done

# Two programs that are linked alike
for times in 1 2; do
    for i in 1 2; do
        run "$dir" ./cache-twin-$i
        [ "$(cat "$tmp/out")" = $i ] || fail "it is not $i"
        [ $times = 1 ] || [ "$taken" -gt $((made * 10)) ] ||
            fail "$taken are taken over, $made made"
    done
done
for i in 1 2; do
    run "$dir,check=on" ./cache-twin-$i
    [ "$(cat "$tmp/out")" = $i ] || fail "it is not $i"
done

# A library that is replaced between runs, and while a program runs
for cache in "$dir" "$dir" "$dir,check=on"; do
    [ -e cache-load ] || break
    for n in 1 2 1; do
        run "$cache" -L "$SYSROOT" -E "LD_LIBRARY_PATH=$SYSROOT/lib" \
            ./cache-load "$tmp" $n $((3 - n))
        [ "$(cat "$tmp/out")" = "$n $((3 - n)) $n" ] || fail "it is not $n"
        [ "$cache$n" != "${last}2" ] || [ "$taken" -gt $((made * 10)) ] ||
            fail "$taken are taken over, $made made"
    done
    last=$cache
done
[ -e cache-load ] || skip libraries "there is no shared C library"

finish
