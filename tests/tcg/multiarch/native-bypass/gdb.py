# Native bypass: breakpoints on the stubs, and single steps over them
#
# Started with native-gdb by tests/guest-debug/run-test.py.  At each stub that
# the program lists: gdb stops there and sees the caller; a step executes the
# call, result and memory included, and arrives at the return address.
#
# With "--native-bypass auto", when NATIVE_AUTO is set, the functions of the C
# library are what stubs are without.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import os

import gdb
from test_gdbstub import main, report

AUTO = "NATIVE_AUTO" in os.environ

ARCHITECTURE = gdb.selected_inferior().architecture().name()

# The register of results
RESULT = [register for name, register in (
    ("i386:x86-64", "$rax"), ("i386", "$eax"), ("aarch64", "$x0"),
    ("arm", "$r0"), ("mips", "$v0"), ("riscv", "$a0"), ("s390", "$r2"),
    ("powerpc", "$r3"), ("loongarch", "$r4"))
    if ARCHITECTURE.startswith(name)][0]

# gdb steps by a breakpoint behind the instruction.
STEPS_BEHIND = ARCHITECTURE.startswith(("mips", "riscv", "loongarch"))


def value(expression):
    """An address or a size; some targets have signed addresses."""
    bits = 8 * gdb.lookup_type("unsigned long").sizeof
    return int(gdb.parse_and_eval(expression)) % (1 << bits)


def memory(name):
    """Without the padding"""
    size = value("sizeof(%s.op)" % name)
    address = value("(unsigned long)&%s" % name)
    return bytes(gdb.selected_inferior().read_memory(address, size))


def go_to(location, kind=gdb.BP_BREAKPOINT):
    b = gdb.Breakpoint(location, type=kind)
    gdb.execute("continue")
    stops = b.hit_count
    b.delete()
    return stops == 1


def check_stub(kind):
    """The stub that the program is about to call"""
    name = gdb.parse_and_eval("name").string()
    address = value("(unsigned long)stub")
    if ARCHITECTURE.startswith("arm"):
        address &= -2                       # Thumb
    file = gdb.solib_name(address) or "nowhere"

    report(("libc.so" if AUTO else "libnative.so") in file,
           name + ": in " + file)
    if not AUTO:
        # A name of the C library's may be that of a resolver.
        named = [line.pc for line in gdb.decode_line(name)[1]]
        report(address in named, name + ": a breakpoint by name is one there")
    report(go_to("*%d" % address, kind) and value("$pc") == address,
           name + ": stops at the stub")
    caller = gdb.newest_frame().older()
    report(caller is not None and caller.name() == "caller",
           name + ": its caller is known")
    return_pc = caller.pc() if caller else None

    if AUTO and STEPS_BEHIND:
        # The function is executed then.
        go_to("*%d" % return_pc)
    else:
        gdb.execute("stepi")
    stepped = value(RESULT)
    area = memory("area")
    if STEPS_BEHIND and value("$pc") == address + 4:
        # And the return is a step of its own.
        gdb.execute("stepi")
    report(value("$pc") == return_pc, name + ": a step goes to its caller")
    report(go_to("called"), name + ": goes on")
    report(stepped == value("returned"), name + ": the result was in place")
    report(area == memory("after"), name + ": memory was, too")


def check_inside():
    """With a breakpoint in its page, a function is not a native call."""
    address = value("(unsigned long)stub")
    architecture = gdb.selected_inferior().architecture()
    second = architecture.disassemble(address, count=2)[1]["addr"]

    report(go_to("*%d" % second) and value("$pc") == second,
           "stops in a function")
    report(go_to("called"), "goes on from there")


def check_change():
    # on the page of the stub, so that gdb may step over it
    b = gdb.Breakpoint("*%d" % value("(unsigned long)page_before"))
    report(go_to("called"), "the program calls another stub")
    b.delete()
    report(value("as_strlen") == 4, "strlen is called")
    report(value("as_strnlen") == 2, "strnlen is called once it says so")


def run_test():
    kinds = [gdb.BP_BREAKPOINT, gdb.BP_HARDWARE_BREAKPOINT]
    stubs = 0
    try:
        while go_to("prepared") and value("(unsigned long)name"):
            if AUTO and stubs == 0 and not ARCHITECTURE.startswith("arm"):
                check_inside()
            else:
                check_stub(kinds[stubs % 2])
            stubs += 1
        report(stubs > 50 or AUTO and stubs > 40, "there are stubs")
        if not AUTO:
            check_change()
    except gdb.error as e:
        # main() would have gdb exit as if all had gone well.
        report(False, "after %d stubs: %s" % (stubs, e))


main(run_test)
