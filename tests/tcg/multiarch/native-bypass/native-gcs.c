/*
 * Native calls under a guarded control stack: a stub returns as RET does
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "gcs.h"
#include "native-test.h"

static void handler(int sig, siginfo_t *info, void *context)
{
    CHECK(info->si_code == SEGV_CPERR, "signal %d, code %d", sig,
          info->si_code);
    exit(failures != 0);
}

/* main() was called before the stack existed, so it must not return. */
int main(void)
{
    struct sigaction action = {
        .sa_sigaction = handler, .sa_flags = SA_SIGINFO,
    };
    /* volatile, so that no call is left out */
    size_t (*volatile fn)(const char *) = strlen;
    uint64_t *before;

    sigaction(SIGSEGV, &action, NULL);
    CHECK(!memcmp(fn, native_stub, sizeof(native_stub)), "strlen() no stub");

    enable_gcs(0);
    before = gcspr();
    for (int i = 0; i < 1000; i++) {
        CHECK(fn("string") == 6, "call %d", i);
        CHECK(gcspr() == before, "%p, was %p", gcspr(), before);
    }

    /* A return without a pushed call */
    asm volatile("adr x30, 1f\n\t"
                 "mov x0, %0\n\t"
                 "br %1\n"
                 "1:" : : "r"("string"), "r"(fn) : "x0", "x30", "memory");
    CHECK(false, "a return without a call is not noticed");
    exit(EXIT_FAILURE);
}
