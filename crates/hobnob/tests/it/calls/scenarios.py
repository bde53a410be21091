"""Runs scenarios.txt with Python's socket: prints each line and what came of it. ours.rs does the same with hobnob."""
import errno
import os
import select
import socket
import struct
import subprocess
import sys

FOLDER, UNIQUE = sys.argv[2], sys.argv[3]
FAMILIES = {"v4": socket.AF_INET, "v6": socket.AF_INET6, "unix": socket.AF_UNIX, "-": 0}
TYPES = {"stream": socket.SOCK_STREAM, "dgram": socket.SOCK_DGRAM, "seqpacket": socket.SOCK_SEQPACKET, "-": 0}
NAMES_OF_TYPES = {1: "stream", 2: "dgram", 3: "raw", 5: "seqpacket"}
FLAGS = {
    "peek": 2, "waitall": 0x100, "dontwait": 0x40, "trunc": 0x20, "oob": 1, "eor": 0x80, "errqueue": 0x2000,
    "passive": 1, "canonname": 2, "numerichost": 4, "v4mapped": 8, "numericserv": 0x400,
}
NAME_FLAGS = {"numerichost": 1, "numericserv": 2, "namereqd": 8}
CAME_WITH = [(0x20, "trunc"), (8, "ctrunc"), (0x80, "eor"), (1, "oob"), (0x2000, "errqueue")]
# Level, number, and the same on IPv6 sockets.
OPTIONS = {
    "nodelay": (6, 1), "linger": (1, 13), "reuseaddr": (1, 2), "rcvbuf": (1, 8), "broadcast": (1, 6),
    "keepalive": (1, 9), "ttl": (0, 2, 41, 16), "tos": (0, 1, 41, 67), "v6only": (41, 26), "oobinline": (1, 10),
    "passcred": (1, 16), "pktinfo": (0, 8, 41, 49), "recvttl": (0, 12, 41, 51), "recvtos": (0, 13, 41, 66),
    "recverr": (0, 11, 41, 25), "timestamp": (1, 35),
}
NUMBERS = {"ttl", "tos", "rcvbuf"}
# Two numbers have two names each.
ERRNO = errno.errorcode | {errno.EAGAIN: "EAGAIN", errno.EOPNOTSUPP: "EOPNOTSUPP"}
# Of gethostbyaddr and gethostbyname_ex, by the names that getaddrinfo has for the same.
HOST_ERRORS = {1: "EAI_NONAME", 2: "EAI_AGAIN", 3: "EAI_FAIL", 4: "EAI_NODATA"}
EAI = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}


def outcome(call):
    """What a call answers, or how it fails: an errno, the resolver's number, a timeout, or a refusal of the library."""
    try:
        return shown(call())
    except KeyError as missing:
        return f"there is no {missing.args[0]}"
    except socket.gaierror as error:
        return EAI.get(error.errno, str(error.errno))
    except socket.herror as error:
        return HOST_ERRORS[error.errno]
    except TimeoutError as error:
        return "timeout" if error.errno is None else ERRNO[error.errno]
    except OSError as error:
        return "refused" if error.errno is None else ERRNO[error.errno]
    except (ValueError, OverflowError, TypeError):
        return "refused"


def shown(value):
    if value is None:
        return "ok"
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value)} bytes" if len(value) > 40 else "'" + bytes(value).decode().replace("\n", "\\n") + "'"
    if isinstance(value, float):
        return f"{value:g}s"
    return str(value)


def text(word):
    if word == "''":
        return b""
    what, star, count = word.partition("*")
    return what.replace("\\n", "\n").encode() * (int(count) if star else 1)


def flags_of(words):
    return sum(FLAGS[flag] for word in words for flag in word.split(","))


class Scenario:
    """The sockets of one scenario, by name."""

    def __init__(self):
        self.sockets = {}
        self.ports = {}

    def note(self, name):
        """Whose port it is, for what is shown: the port itself is another one each time."""
        own = self.sockets[name].getsockname()
        if isinstance(own, tuple) and own[1]:
            self.ports.setdefault(own[1], name)

    def address(self, word, family=socket.AF_INET):
        plain = {
            "loop4": ("127.0.0.1", 0), "any4": ("0.0.0.0", 0), "far4": ("192.0.2.1", 0), "loop6": ("::1", 0),
            "any6": ("::", 0), "closed": ("127.0.0.1", 1), "broadcast": ("255.255.255.255", 9),
        }
        if word in plain:
            return plain[word]
        if word.startswith("path:"):
            return os.path.join(FOLDER, text(word[5:]).decode())
        if word.startswith("abstract:"):
            return b"\0" + (word[9:] + UNIQUE).encode()
        return self.sockets[word].getsockname()

    def named(self, address):
        if not address:
            return "unnamed"
        if isinstance(address, tuple):
            port = self.ports.get(address[1], address[1] if address[1] < 1024 else "?")
            return f"{address[0]}:{port}"
        if isinstance(address, bytes):
            return "@" + address[1:].decode().removesuffix(UNIQUE)
        return os.path.relpath(address, FOLDER)

    def port(self, name):
        return self.sockets[name].getsockname()[1]

    def run(self, words):
        name, *rest = words
        return getattr(self, "do_" + name.replace("-", "_"))(*rest)

    # Making, naming, connecting.

    def do_socket(self, name, family, kind):
        self.sockets[name] = socket.socket(FAMILIES[family], TYPES[kind])

    def do_pair(self, one, other, kind):
        self.sockets[one], self.sockets[other] = socket.socketpair(socket.AF_UNIX, TYPES[kind])

    def do_bind(self, name, to):
        self.sockets[name].bind(self.address(to))
        self.note(name)

    def do_listen(self, name, backlog):
        self.sockets[name].listen(int(backlog))

    def do_accept(self, name, new):
        self.sockets[new], peer = self.sockets[name].accept()
        return self.named(peer)

    def do_connect(self, name, to):
        self.sockets[name].connect(self.address(to))
        self.note(name)

    def do_connect_ex(self, name, to):
        number = self.sockets[name].connect_ex(self.address(to))
        self.note(name)
        return ERRNO.get(number, "ok")

    def do_server(self, name, at):
        both = at.endswith("both")
        at = self.address(at.removesuffix("both"))
        family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
        self.sockets[name] = socket.create_server(at, family=family, dualstack_ipv6=both)
        self.note(name)

    def do_dial(self, name, to, timeout, host="127.0.0.1", source=None):
        timeout = None if timeout == "none" else float(timeout)
        self.sockets[name] = socket.create_connection((host, self.port(to)), timeout, source)
        self.note(name)

    def do_dial6(self, name, to, timeout):
        self.do_dial(name, to, timeout, "::1")

    def do_dialfrom(self, name, to, source):
        self.do_dial(name, to, "5", source=(source, 0))

    def do_name(self, name):
        return self.named(self.sockets[name].getsockname())

    def do_peer(self, name):
        return self.named(self.sockets[name].getpeername())

    def do_close(self, name):
        self.sockets.pop(name).close()

    def do_detach(self, name):
        gone = self.sockets.pop(name)
        number = gone.fileno()
        os.close(gone.detach())
        return number > 2

    def do_dup(self, name, new):
        self.sockets[new] = self.sockets[name].dup()

    def do_fromfd(self, name, new):
        own = self.sockets[name]
        self.sockets[new] = socket.fromfd(own.fileno(), own.family, own.type)

    def do_fromfile(self):
        with open("/dev/null", encoding="ascii") as file:
            socket.socket(fileno=file.fileno())

    def do_same(self, one, other):
        inode = [os.fstat(self.sockets[name].fileno()).st_ino for name in (one, other)]
        return inode[0] == inode[1]

    # Modes and options.

    def do_timeout(self, name, value):
        self.sockets[name].settimeout(None if value == "none" else float(value))

    def do_gettimeout(self, name):
        value = self.sockets[name].gettimeout()
        return "none" if value is None else value

    def do_blocking(self, name, value):
        self.sockets[name].setblocking(value == "yes")

    def do_getblocking(self, name):
        return self.sockets[name].getblocking()

    def do_inheritable(self, name):
        return self.sockets[name].get_inheritable()

    def do_setinheritable(self, name, value):
        self.sockets[name].set_inheritable(value == "yes")

    def do_inherited(self, name):
        there = f"/proc/self/fd/{self.sockets[name].fileno()}"
        return subprocess.run(["test", "-e", there], close_fds=False, check=False).returncode == 0

    def number_of(self, name, option):
        where = OPTIONS[option]
        return where[2:] if len(where) == 4 and self.sockets[name].family == socket.AF_INET6 else where[:2]

    def do_set(self, name, option, value):
        number = {"yes": 1, "no": 0}.get(value)
        value = struct.pack("ii", 1, int(value)) if option == "linger" else int(value) if number is None else number
        self.sockets[name].setsockopt(*self.number_of(name, option), value)

    def do_option(self, name, option):
        where = self.number_of(name, option)
        if option == "linger":
            is_on, seconds = struct.unpack("ii", self.sockets[name].getsockopt(*where, 8))
            return f"{seconds}s" if is_on else "off"
        value = self.sockets[name].getsockopt(*where)
        return value if option in NUMBERS else bool(value) if value or option != "keepalive" else "off"

    def do_number(self, name, level, number):
        return self.sockets[name].getsockopt(int(level), int(number))

    def do_setnumber(self, name, level, number, value):
        self.sockets[name].setsockopt(int(level), int(number), int(value))

    def do_error(self, name):
        return ERRNO.get(self.sockets[name].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "none")

    def do_peercred(self, name):
        return whose(self.sockets[name].getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))

    def do_readable(self, name):
        return bool(select.select([self.sockets[name]], [], [], 0)[0])

    def do_readable_soon(self, name):
        return bool(select.select([self.sockets[name]], [], [], 10)[0])

    def do_writable(self, name):
        return bool(select.select([], [self.sockets[name]], [], 10)[1])

    # Receiving.

    def do_recv(self, name, size, *flags):
        return self.sockets[name].recv(int(size), flags_of(flags))

    def do_recv_into(self, name, size, *flags):
        room = bytearray(int(size))
        count = self.sockets[name].recv_into(room, int(size), flags_of(flags))
        return f"{count} {shown(room[:count])}"

    def do_recvfrom(self, name, size, *flags):
        room = bytearray(int(size))
        count, peer = self.sockets[name].recvfrom_into(room, int(size), flags_of(flags))
        return f"{count} {shown(room[:count])} {self.named(peer)}"

    def do_recvmsg(self, name, sizes, room, *flags):
        parts = [bytearray(int(size)) for size in sizes.split(",")]
        count, along, came_with, peer = self.sockets[name].recvmsg_into(parts, int(room), flags_of(flags))
        told = " ".join([self.control(*one) for one in along] + [word for flag, word in CAME_WITH if came_with & flag])
        received = b"".join(parts)[:count]
        return f"{count} {shown(received)} {self.named(peer)} [{told}]"

    def control(self, level, kind, data):
        try:
            return self.known(level, kind, data)
        except (struct.error, ValueError):
            return f"{level}/{kind}/{len(data)}"

    def known(self, level, kind, data):
        if (level, kind) == (1, 1):
            count = len(data) // 4
            for number in struct.unpack(f"{count}i", data[: count * 4]):
                os.close(number)
            return f"fds:{count}"
        if (level, kind) == (1, 2):
            return "creds:" + whose(data)
        if (level, kind) == (1, 35):
            struct.unpack("ll", data)
            return "time"
        if (level, kind) == (0, 8):
            index, ours, to = struct.unpack("i4s4s", data)
            return f"pktinfo:{socket.inet_ntoa(to)}/{socket.inet_ntoa(ours)}/{socket.if_indextoname(index)}"
        if (level, kind) == (41, 50):
            to, index = struct.unpack("16si", data)
            to = socket.inet_ntop(socket.AF_INET6, to)
            return f"pktinfo:{to}/{to}/{socket.if_indextoname(index)}"
        if (level, kind) in [(0, 2), (41, 52)]:
            return f"ttl:{struct.unpack('i', data)[0]}"
        if (level, kind) == (0, 1):
            return f"tos:{data[0]}"
        if (level, kind) == (41, 67):
            return f"tos:{struct.unpack('i', data)[0]}"
        if (level, kind) == (0, 11):
            number, origin, icmp, code, _, info, _ = struct.unpack("IBBBBII", data[:16])
            return f"report:{ERRNO[number]}/{origin}/{icmp}/{code}/{info}/{socket.inet_ntoa(data[20:24])}"
        raise ValueError

    def do_takefd(self, name, size, most, names):
        received, numbers, _, _ = socket.recv_fds(self.sockets[name], int(size), int(most))
        for new, number in zip(names.split(","), numbers):
            self.sockets[new] = socket.socket(fileno=number)
        return f"{shown(received)} {len(numbers)}"

    # Sending.

    def do_send(self, name, word, *flags):
        return self.sockets[name].send(text(word), flags_of(flags))

    def do_sendall(self, name, word):
        self.sockets[name].sendall(text(word))

    def do_sendto(self, name, word, to):
        return self.sockets[name].sendto(text(word), self.address(to))

    def do_sendmsg(self, name, words, *rest):
        is_v6 = self.sockets[name].family == socket.AF_INET6
        parts = [b""] if words == "''" else [part.encode() for part in words.split(",")]
        along, flags, to = [], 0, None
        for word in rest:
            if word.startswith("to:"):
                to = self.address(word[3:])
            elif ":" in word:
                along += [outgoing(one, is_v6) for one in word.split(",")]
            else:
                flags += flags_of([word])
        return self.sockets[name].sendmsg(parts, along, flags, *([to] if to else []))

    def do_passfd(self, name, word, names):
        numbers = [self.sockets[one].fileno() for one in names.split(",")]
        return socket.send_fds(self.sockets[name], [text(word)], numbers)

    def do_fill(self, name):
        self.sockets[name].sendall(b"x" * (1 << 24))

    def do_drain(self, name):
        while self.sockets[name].recv(1 << 20):
            pass

    def do_shutdown(self, name, how):
        self.sockets[name].shutdown({"read": 0, "write": 1, "both": 2}[how])

    # Files.

    def do_reader(self, name, size, *steps):
        file = self.sockets[name].makefile("rb", None if size == "default" else int(size))
        return " | ".join(outcome(lambda step=step: self.read(file, step)) for step in steps)

    def read(self, file, step):
        what, _, rest = step.partition(":")
        if what == "feed":
            name, _, word = rest.partition(":")
            self.sockets[name].sendall(text(word))
            return "fed"
        got = file.readline() if what == "readline" else file.read(int(rest)) if what == "read" else file.read()
        return "nothing" if got is None else got

    def do_writer(self, name, size, *steps):
        file = self.sockets[name].makefile("wb", None if size == "default" else int(size))
        told = " | ".join(outcome(lambda step=step: self.write(file, step)) for step in steps)
        try:
            file.close()
        except OSError:
            pass
        return told

    def write(self, file, step):
        what, _, rest = step.partition(":")
        if what == "got":
            return self.sockets[rest].recv(65_536)
        if what == "write":
            file.write(text(rest))
            return "written"
        file.flush()
        return "flushed"

    # Names.

    def do_pton(self, family, word):
        return socket.inet_pton(FAMILIES[family], text(word).decode()).hex()

    def do_ntop(self, family, digits):
        return socket.inet_ntop(FAMILIES[family], bytes.fromhex(digits))

    def do_aton(self, word):
        return socket.inet_aton(word).hex()

    def do_hostname(self):
        return socket.gethostname()

    def do_hostbyname(self, host):
        return socket.gethostbyname(text(host).decode())

    def do_hostentry(self, host):
        return entry(socket.gethostbyname_ex(text(host).decode()))

    def do_hostof(self, address):
        return entry(socket.gethostbyaddr(address))

    def do_fullname(self, host):
        return socket.getfqdn(text(host).decode())

    def do_addrinfo(self, host, service, family, kind, flags):
        host, service = (None if word == "-" else word for word in (host, service))
        flags = 0 if flags == "-" else flags_of([flags])
        found = socket.getaddrinfo(host, service, FAMILIES[family], TYPES[kind], 0, flags)
        return " ".join(
            f"{NAMES_OF_TYPES[kind]}/{protocol}/{address[0]}/{address[1]}{'=' if name else ''}{name}"
            for _, kind, protocol, name, address in found
        )

    def do_nameinfo(self, host, port, flags):
        return "/".join(socket.getnameinfo((host, int(port)), sum(NAME_FLAGS[flag] for flag in flags.split(","))))

    def do_servbyname(self, name, protocol):
        return socket.getservbyname(name, *([] if protocol == "-" else [protocol]))

    def do_servbyport(self, port, protocol):
        return socket.getservbyport(int(port), protocol)

    def do_ifindex(self, name):
        return socket.if_nametoindex(name)

    def do_ifname(self, index):
        return socket.if_indextoname(int(index))

    def do_space(self, size):
        return socket.CMSG_SPACE(int(size))

    def do_length(self, size):
        return socket.CMSG_LEN(int(size))


def entry(host):
    name, aliases, addresses = host
    return f"{name} [{' '.join(aliases)}] [{' '.join(addresses)}]"


def whose(data):
    return "own" if struct.unpack("3i", data) == (os.getpid(), os.getuid(), os.getgid()) else "other"


def outgoing(word, is_v6):
    what, _, value = word.partition(":")
    if what == "creds":
        return 1, 2, struct.pack("3i", os.getpid(), os.getuid(), os.getgid())
    if what == "source":
        return 0, 8, struct.pack("i4s4s", 0, socket.inet_aton(value), bytes(4))
    numbers = {"ttl": (41, 52) if is_v6 else (0, 2), "tos": (41, 67) if is_v6 else (0, 1)}
    return (*numbers[what], struct.pack("i", int(value)))


def main():
    scenario = Scenario()
    with open(sys.argv[1], encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            words = line.split()
            if line.startswith("=="):
                scenario = Scenario()
            elif words and not line.startswith("#"):
                print(f"{number} {line.strip()} -> {outcome(lambda: scenario.run(words))}", flush=True)


main()
