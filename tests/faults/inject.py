"""The test's side of inject.c: what is to fail in the daemon, and when."""

import mmap
import struct

MEMORY, DESCRIPTOR, THREAD, DISK = range(4)
LAYOUT = struct.Struct("=IIIIQQQq")  # struct control of inject.c


class Injector:
    """A control file that the daemon has mapped too."""

    def __init__(self, library, path):
        path.write_bytes(bytes(LAYOUT.size))
        self.env = {"LD_PRELOAD": str(library), "FAULTS_CONTROL": str(path)}
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), LAYOUT.size)

    def _set(self, index, kind, value):
        at = struct.calcsize("=" + "IIIIQQQq"[:index])
        struct.pack_into("=" + kind, self.map, at, value)

    def arm(self, kind, fail_at, lasting=False):
        """Counts calls of that kind from now on; the fail_at-th fails (0: none), and all that follow if
        it is lasting."""
        self._set(0, "I", 0)
        for index, code, value in ((1, "I", kind), (2, "I", int(lasting)), (4, "Q", 0),
                                   (5, "Q", fail_at), (6, "Q", 0)):
            self._set(index, code, value)
        self._set(0, "I", 1)

    def disarm(self):
        """Returns the calls that were counted and those that failed."""
        self._set(0, "I", 0)
        values = LAYOUT.unpack(self.map[:])
        return values[4], values[6]

    def clock(self, offset_s):
        self._set(7, "q", offset_s)

    def close(self):
        self.map.close()
