# Tests of links between TBs: breakpoints and single steps
#
# Started with chain-gdb by tests/guest-debug/run-test.py.  TBs that others
# are linked to get breakpoints, which are hit each time, then none again.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import gdb
from test_gdbstub import main, report

MAX_STEPS = 100


class Counted(gdb.Breakpoint):
    """A breakpoint that counts the stops and those threads that stopped"""

    def __init__(self, address, kind):
        super().__init__("*%d" % address, type=kind, internal=True)
        self.silent = True
        self.hits = 0
        self.threads = set()

    def stop(self):
        self.hits += 1
        self.threads.add(gdb.selected_thread().num)
        return False


def value(expression):
    """An address; some targets have signed ones."""
    bits = 8 * gdb.lookup_type("unsigned long").sizeof
    return int(gdb.parse_and_eval("(unsigned long)" + expression)) % (1 << bits)


def pc():
    return value("$pc")


def without_caller(function):
    """What it returns; gdb for s390x finds no caller of made code."""
    try:
        return function()
    except gdb.error as e:
        if str(e) != "PC not saved":
            raise
        return None


def step():
    gdb.execute("stepi", to_string=True)


def place():
    return gdb.newest_frame().name()


def go_on(name):
    gdb.execute("continue", to_string=True)
    at = gdb.newest_frame().name()
    report(at == "checkpoint", "%s: goes on to the checkpoint" % name)


def count_hits(name, address, kind, want):
    b = Counted(address, kind)
    go_on(name)
    report(b.hits == want, "%s: %d hits, %d wanted" % (name, b.hits, want))
    b.delete()
    return b.threads


def step_over(name, target):
    """From page A to the target, once, and back to what called it"""
    first = Counted(value("link_code"), gdb.BP_BREAKPOINT)
    first.stop = lambda: True
    gdb.execute("continue", to_string=True)
    first.delete()
    report(pc() == value("link_code"), "%s: stops in page A" % name)

    at = [pc()]
    while without_caller(place) != "call" and len(at) < MAX_STEPS:
        without_caller(step)
        at.append(pc())
    report(at.count(target) == 1, "%s: stepi comes by page B" % name)
    report(len(at) < MAX_STEPS, "%s: stepi returns" % name)


def check_link(name, want):
    target = value("link_target")
    middle = value("link_middle")

    count_hits(name, target, gdb.BP_BREAKPOINT, want)
    go_on(name + ", without breakpoint")
    count_hits(name + ", hardware", target, gdb.BP_HARDWARE_BREAKPOINT, want)
    count_hits(name + ", middle of the TB", middle, gdb.BP_BREAKPOINT, want)
    step_over(name, target)
    go_on(name + ", after stepi")
    go_on(name + ", without breakpoint again")


def run_test():
    gdb.Breakpoint("checkpoint")
    try:
        want = value("per_phase")
        go_on("start")
        links = 0
        while links < 8:
            check_link(gdb.parse_and_eval("name").string(), want)
            links += 1
        threads = count_hits("thread", value("link_target"),
                             gdb.BP_BREAKPOINT, want)
        report(threads == {2}, "thread: it is the second one that stops")
        go_on("thread, without breakpoint")
        report(value("name") == 0, "all links were tried")
    except gdb.error as e:
        # main() would have gdb exit as if all had gone well.
        report(False, str(e))


main(run_test)
