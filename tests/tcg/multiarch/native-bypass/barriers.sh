#!/bin/sh
#
# Whether native calls have the barriers that ordinary accesses have
#
# barriers.sh LOG: LOG is that of "-d op" and native-barriers, of which all
# from the call of strncat() on was translated for several threads.  Where the
# guest's memory model is stronger than the host's, TCG puts a barrier before
# each load or each store.  Then there has to be one before and one behind a
# native call, and else none.
#
# SPDX-License-Identifier: GPL-2.0-or-later

awk '
    # An instruction of the guest begins.  Its own barriers, such as that of
    # a store-release, are within it, too: but not before each access.
    /^ ---- / { barrier = 0 }

    /^ call native_strncat,/ { parallel = 1 }
    behind {
        n_behind += /^ mb /
        behind = 0
    }
    parallel && /^ call native_/ {
        n++
        n_before += last ~ /^ mb /
        behind = 1
    }
    parallel && /^ qemu_(ld|st)/ {
        kind = substr($1, 6, 2)
        accesses[kind]++
        ordered[kind] += barrier
    }
    /^ (qemu_|call )/ { barrier = 0 }
    /^ mb / { barrier = 1 }
    { last = $0 }

    END {
        if (n < 3 || accesses["ld"] < 20 || accesses["st"] < 20) {
            printf "%d calls, %d loads and %d stores are too few\n",
                   n, accesses["ld"], accesses["st"]
            exit 1
        }
        needed = ordered["ld"] == accesses["ld"] ||
                 ordered["st"] == accesses["st"]
        if (n_before != needed * n || n_behind != needed * n) {
            printf "of %d calls, %d have a barrier before and %d behind;" \
                   " of %d loads %d, and of %d stores %d\n",
                   n, n_before, n_behind, accesses["ld"], ordered["ld"],
                   accesses["st"], ordered["st"]
            exit 1
        }
    }' "$1"
