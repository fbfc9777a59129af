"""powercut.py - what a disk may hold after a power cut, from the trace that
tests/crash/shim_trace.c keeps of a daemon.

What a sync covered is there: every write and every name that came to its end
before the sync began. Of all else each sector of 512 octets holds one of the
versions it had since, a file has one of its lengths, and each change of a
directory happened or did not; but none without those before it of the same name
or the same file.

    trace = Trace(daemon)           # before daemon.start()
    ... trace.place() ...           # a moment, to compare with others
    disk = Disk(trace.read())
    disk.advance(place)             # all entries before this moment
    disk.write(folder, rng)         # one of the possible images
"""
import mmap
import os
import struct

SECTOR = 512
HEADER = struct.Struct("=QQ")
# len, data_len, kind, owner, inode, offset, size
ENTRY = struct.Struct("=IIIIQQQ")
WRITE, TRUNCATE, SYNC, MADE, RENAME, LINK, UNLINK, END = range(1, 9)
FAILED = (1 << 64) - 1
ROOM = 1 << 30  # sparse


class Trace:
    """Of a daemon that has not been started."""

    def __init__(self, daemon):
        self.path = os.path.join(daemon.folder, "trace")
        with open(self.path, "w+b") as file:
            file.truncate(ROOM)
            self.page = mmap.mmap(file.fileno(), ROOM)
        HEADER.pack_into(self.page, 0, HEADER.size, ROOM)
        daemon.environment["GMRELAY_TRACE"] = self.path

    def place(self):
        """Where the next entry will be."""
        return HEADER.unpack_from(self.page)[0]

    def read(self):
        """[(place, entry's fields, data)], in order."""
        entries, at, end = [], HEADER.size, self.place()
        while at < end:
            fields = ENTRY.unpack_from(self.page, at)
            if fields[0] == 0 or fields[2] == 0:
                raise AssertionError("the trace is broken at %d" % at)
            data_at = at + ENTRY.size
            entries.append((at, fields,
                            self.page[data_at:data_at + fields[1]]))
            at += fields[0]
        return entries

    def close(self):
        self.page.close()
        os.unlink(self.path)


class Write:
    """Not durable yet. done: its end was seen; lost: a sync of it failed, so
    that no later one covers it."""

    def __init__(self, at, offset, size, data):
        self.at = at
        self.offset = offset
        self.size = size
        self.data = data  # b"": zeros
        self.done = False
        self.lost = False

    def sectors(self):
        return range(self.offset // SECTOR,
                     (self.offset + self.size - 1) // SECTOR + 1)

    def lay(self, number, sector):
        """The sector with this write's part over it."""
        begin = max(self.offset, number * SECTOR)
        end = min(self.offset + self.size, (number + 1) * SECTOR)
        part = self.data[begin - self.offset:end - self.offset] \
            if self.data else bytes(end - begin)
        at = begin - number * SECTOR
        return sector[:at] + part + sector[at + len(part):]


ZEROS = bytes(SECTOR)


class File:
    def __init__(self, mode, owner):
        self.mode = mode
        self.owner = owner
        self.sectors = {}  # durable; those that are missing are zeros
        self.size = 0
        self.pending = []

    def settle(self, write):
        """It is durable."""
        self.size = max(self.size, write.offset + write.size)
        if not write.data:
            for number in [x for x in self.sectors if x in write.sectors()]:
                self.sectors[number] = write.lay(number,
                                                 self.sectors[number])
            return
        for number in write.sectors():
            self.sectors[number] = write.lay(
                number, self.sectors.get(number, ZEROS))

    def synced(self, begun):
        for write in self.pending:
            if write.done and write.at < begun and not write.lost:
                self.settle(write)
        self.pending = [x for x in self.pending if x.lost or not x.done or
                        x.at >= begun]

    def sync_failed(self, begun):
        for write in self.pending:
            if write.at < begun:
                write.lost = True

    def image(self, rng, keeps):
        """(size, {sector: octets}) as a cut may leave it."""
        sizes = [self.size] + [x.offset + x.size for x in self.pending]
        size = self.size
        for each in sizes:
            if each > size and rng.random() < keeps:
                size = each
        versions = {}
        for write in self.pending:
            if not write.data and write.offset >= self.size:
                continue  # zeros behind the end are there anyway
            for number in write.sectors():
                known = versions.setdefault(
                    number, [self.sectors.get(number, ZEROS)])
                known.append(write.lay(number, known[-1]))
        sectors = dict(self.sectors)
        for number, known in versions.items():
            if rng.random() < keeps:
                sectors[number] = rng.choice(known[1:])
            else:
                sectors[number] = known[0]
        return size, sectors


class Change:
    """Of a directory. gone and made: [(directory, name)]."""

    def __init__(self, at, file, gone, made):
        self.at = at
        self.file = file
        self.gone = gone
        self.made = made
        self.done = False

    def places(self):
        return self.gone + self.made

    def apply(self, names):
        for place in self.gone:
            names.pop(place, None)
        for place in self.made:
            names[place] = self.file


class Disk:
    def __init__(self, entries, spool):
        self.entries = entries
        self.next = 0
        self.folders = {}  # inode: path below the spool
        for name in [""] + os.listdir(spool):
            path = os.path.join(spool, name)
            if os.path.isdir(path):
                self.folders[os.stat(path).st_ino] = name
        self.spool = spool
        self.files = {}    # inode: the File that it is now
        self.memory = {}   # (directory, name): File, as processes see it
        self.durable = {}
        self.pending = []  # changes
        self.open = {}     # place: what waits for its end

    # -- the trace, forwards ------------------------------------------------

    def advance(self, place):
        while self.next < len(self.entries) and \
                self.entries[self.next][0] < place:
            self._take(*self.entries[self.next])
            self.next += 1

    def _take(self, at, fields, data):
        _, _, kind, owner, inode, offset, size = fields
        if kind == WRITE and inode in self.files:
            self._begin(at, Write(at, offset, size, data))
            self.files[inode].pending.append(self.open[at])
        elif kind == SYNC:
            self._begin(at, (self.files.get(inode), inode))
        elif kind == MADE and offset in self.folders:
            file = self.files[inode] = File(size, owner)
            self._change(at, file, [], [(offset, data.decode())]).done = True
            self.pending[-1].apply(self.memory)
        elif kind in (RENAME, LINK) and inode in self.folders:
            old, new = data.split(b"\0")
            old = (inode, old.decode())
            self._begin(at, self._change(
                at, self.memory.get(old), [old] if kind == RENAME else [],
                [(offset, new.decode())]))
        elif kind == UNLINK and inode in self.folders:
            old = (inode, data.decode())
            self._begin(at, self._change(at, self.memory.get(old), [old], []))
        elif kind == TRUNCATE and inode in self.files:
            raise AssertionError("a file of the spool is truncated")
        elif kind == END and offset in self.open:
            self._end(self.open.pop(offset), offset, size)

    def _begin(self, at, what):
        self.open[at] = what

    def _change(self, at, file, gone, made):
        change = Change(at, file, gone, made)
        if file is not None:
            self.pending.append(change)
        return change

    def _end(self, what, began, result):
        if isinstance(what, Write):
            if result != FAILED:  # else some of it may be there
                what.size = result
                what.done = True
        elif isinstance(what, Change):
            if result == FAILED:
                self.pending = [x for x in self.pending if x is not what]
            elif what.file is not None:
                what.done = True
                what.apply(self.memory)
        else:
            self._synced(what, began, result)

    def _synced(self, what, began, result):
        file, inode = what
        if file is not None:
            if result == FAILED:
                file.sync_failed(began)
            else:
                file.synced(began)
        elif result != FAILED and inode in self.folders:
            self._directory_synced(inode, began)

    def _directory_synced(self, inode, began):
        """Both ends of a change lie in it, but for a link's first."""
        rest = []
        for change in self.pending:
            if change.done and change.at < began and all(
                    place[0] == inode for place in change.places()):
                change.apply(self.durable)
            else:
                rest.append(change)
        self.pending = rest

    # -- an image -----------------------------------------------------------

    def names(self, rng, keeps):
        """{(directory, name): File} as a cut may leave it."""
        names = dict(self.durable)
        dropped = set()
        for change in self.pending:
            touched = set(change.places()) | {change.file}
            if dropped & touched or rng.random() >= keeps:
                dropped |= touched
            else:
                change.apply(names)
        return names

    def write(self, spool, rng, keeps):
        """Makes spool, which is not there: an image in which what is in doubt
        is there with this probability."""
        os.mkdir(spool)
        for name in sorted(self.folders.values()):
            path = os.path.join(spool, name)
            os.makedirs(path, exist_ok=True)
            like(os.path.join(self.spool, name), path)
        images = {}
        for (inode, name), file in self.names(rng, keeps).items():
            path = os.path.join(spool, self.folders[inode], name)
            if file in images:
                os.link(images[file], path)
                continue
            images[file] = path
            self._write_file(path, file, rng, keeps)

    @staticmethod
    def _write_file(path, file, rng, keeps):
        size, sectors = file.image(rng, keeps)
        with open(path, "wb") as out:
            for number in sorted(sectors):
                part = sectors[number][:max(0, size - number * SECTOR)]
                if part.strip(b"\0"):
                    out.seek(number * SECTOR)
                    out.write(part)
            out.truncate(size)
        os.chmod(path, file.mode & 0o7777)
        if os.geteuid() == 0:
            os.chown(path, file.owner, file.owner)


def like(old, new):
    """Owner and mode."""
    st = os.stat(old)
    os.chmod(new, st.st_mode & 0o7777)
    if os.geteuid() == 0:
        os.chown(new, st.st_uid, st.st_gid)
