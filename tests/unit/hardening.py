#!/usr/bin/python3
"""Looks into the built programs for what the compiler and the linker were asked for, so that a fault is harder to
use: hardening.py PROGRAM..., TAP. Needs readelf and objdump, which come with the compiler.
"""
import platform
import re
import subprocess
import sys
from pathlib import Path


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


class Program:
    def __init__(self, path):
        self.headers = output("readelf", "--wide", "--file-header", "--program-headers", path)
        self.dynamic = output("readelf", "--wide", "--dynamic", path)
        self.symbols = set(re.findall(r"\bUND (\w+)", output("readelf", "--wide", "--dyn-syms", path)))
        self.code = output("objdump", "--disassemble", "--no-show-raw-insn", "--section=.text", path)

    def functions(self):
        """The first instruction of each function whose address is known to others: in a table of pointers, or
        exported; main is one."""
        return re.findall(r"^[0-9a-f]+ <(\w+)>:\n\s*[0-9a-f]+:\s+(\S+)", self.code, re.M)

    def position_independent(self):
        return "DYN (" in self.headers and "INTERP" in self.headers

    def relocations_read_only(self):
        """All symbols are bound at the start, and their table is read-only from then on."""
        return "GNU_RELRO" in self.headers and re.search(r"\(FLAGS_1\).*\bNOW\b", self.dynamic)

    def stack_not_executable(self):
        return re.search(r"GNU_STACK(?:\s+0x\w+){5}\s+RW\s", self.headers)

    def no_page_writable_and_executable(self):
        return not re.search(r"LOAD(?:\s+0x\w+){5}\s+RWE", self.headers)

    def stack_protector(self):
        return "__stack_chk_fail" in self.symbols

    def fortified(self):
        return {"__snprintf_chk", "__memcpy_chk"} <= self.symbols

    def stack_clash_protection(self):
        """A large frame is made page by page, each touched before the next: x86 alone is looked at."""
        return re.search(r"sub\s+\$0x1000,%rsp\n\s*\w+:\s+or[bq]\s+\$0x0,", self.code)

    def control_flow_protection(self):
        """Only endbr64 is where an indirect call may lead to."""
        found = dict(self.functions())
        return found.get("main") == "endbr64" and list(found.values()).count("endbr64") > 100


CHECKS = [Program.position_independent, Program.relocations_read_only, Program.stack_not_executable,
          Program.no_page_writable_and_executable, Program.stack_protector, Program.fortified]
if platform.machine() == "x86_64":
    CHECKS += [Program.stack_clash_protection, Program.control_flow_protection]


def main():
    number = 0
    print(f"1..{len(CHECKS) * len(sys.argv[1:])}")
    for path in sys.argv[1:]:
        program = Program(path)
        for check in CHECKS:
            number += 1
            print("ok" if check(program) else "not ok", number, f"- {check.__name__} {Path(path).name}")


main()
