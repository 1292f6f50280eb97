"""Honest programs: a sandbox that fails one of these spoils rewards as much as one that lets an attack through."""

# ruff: noqa: E501 - programs read best on one line each

from __future__ import annotations

from dataclasses import dataclass

from selfplay.sandbox.types import MIB, Limits, Profile

USUAL = Limits()


@dataclass(frozen=True)
class Function:
    """A program with a function `f`, its arguments and what it returns."""

    name: str
    source: str
    args: tuple[object, ...]
    value: object
    profile: Profile = Profile.STD
    writable: bool = False
    limits: Limits = USUAL


@dataclass(frozen=True)
class Script:
    """A program that reads and prints."""

    name: str
    source: str
    stdin: bytes = b""
    stdout: bytes = b""
    profile: Profile = Profile.STD
    limits: Limits = USUAL


FUNCTIONS = [
    Function("identity of every type", "f = lambda *a: list(a)", (None, True, 1, -1.5, "ä\n", b"\0", (1,), {2}, {"a": [1]}), [None, True, 1, -1.5, "ä\n", b"\0", (1,), {2}, {"a": [1]}]),
    Function("classes", "class A:\n    def __init__(s, x): s.x = x\n    def __add__(s, o): return A(s.x + o.x)\ndef f(a, b): return (A(a) + A(b)).x", (2, 3), 5),
    Function("dataclass", "from dataclasses import dataclass, field, asdict\n@dataclass(order=True, frozen=True)\nclass P:\n    x: int\n    y: list = field(default_factory=list)\ndef f(n): return asdict(max(P(i) for i in range(n)))", (5,), {"x": 4, "y": []}),
    Function("named tuple and enum", "from typing import NamedTuple\nfrom enum import Enum, auto\nclass P(NamedTuple):\n    x: int\nclass E(Enum):\n    A = auto()\n    B = auto()\ndef f(): return [P(1).x, E.B.value, E['A'].name]", (), [1, 2, "A"]),
    Function("heapq", "import heapq\ndef f(x):\n    heapq.heapify(x)\n    return [heapq.heappop(x) for _ in range(len(x))]", ([3, 1, 2],), [1, 2, 3]),
    Function("bisect", "from bisect import bisect_left, insort\ndef f(x):\n    r = []\n    for i in x: insort(r, i)\n    return bisect_left(r, 2), r", ([3, 1, 2],), (1, [1, 2, 3])),
    Function("counter and deque", "from collections import Counter, deque, defaultdict, OrderedDict\ndef f(s):\n    d = deque(s, maxlen=2); c = defaultdict(int, Counter(s)); c['z'] += 1\n    return dict(c), list(d), list(OrderedDict(a=1))", ("aab",), ({"a": 2, "b": 1, "z": 1}, ["a", "b"], ["a"])),
    Function("itertools", "import itertools as it\ndef f(n): return [sum(p) for p in it.combinations(range(n), 2)][:4], list(it.accumulate(range(4)))", (4,), ([1, 2, 3, 3], [0, 1, 3, 6])),
    Function("functools", "import functools\n@functools.cache\ndef g(n): return n if n < 2 else g(n - 1) + g(n - 2)\ndef f(n): return functools.reduce(int.__add__, map(g, range(n)))", (10,), 88),
    Function("regular expressions", "import re\ndef f(s): return re.findall(r'(\\w+)@(\\w+)\\.org', s), re.sub(r'\\d+', lambda m: str(int(m[0]) * 2), s)", ("a@b.org 12",), ([("a", "b")], "a@b.org 24")),
    Function("deep recursion", "import sys\nsys.setrecursionlimit(20000)\ndef g(n): return 0 if n == 0 else 1 + g(n - 1)\ndef f(): return g(5000)", (), 5000),
    Function("threads", "import threading\ndef f():\n    out = []\n    ts = [threading.Thread(target=out.append, args=(i,)) for i in range(4)]\n    [t.start() for t in ts]; [t.join() for t in ts]\n    return sorted(out)", (), [0, 1, 2, 3]),
    Function("thread pool", "from concurrent.futures import ThreadPoolExecutor\ndef f():\n    with ThreadPoolExecutor(4) as p: return list(p.map(lambda x: x * x, range(5)))", (), [0, 1, 4, 9, 16]),
    Function("queue and lock", "import queue, threading\ndef f():\n    q, l = queue.Queue(), threading.RLock()\n    def w():\n        with l: q.put(1)\n    t = threading.Thread(target=w); t.start(); t.join()\n    return q.get(timeout=1)", (), 1),
    Function("big ints", "def f(n): return pow(3, n) % (10**50), (1 << n).bit_length()", (1000,), (pow(3, 1000) % 10**50, 1001)),
    Function("gcd and primes", "import math\ndef f(n): return [p for p in range(2, n) if all(p % q for q in range(2, math.isqrt(p) + 1))], math.gcd(12, 18), math.comb(5, 2)", (12,), ([2, 3, 5, 7, 11], 6, 10)),
    Function("floats", "import math\ndef f(x): return [x / 3, math.sin(x), float('inf'), round(2.5)]", (1.0,), [1 / 3, __import__("math").sin(1.0), float("inf"), 2]),
    Function("decimal and fractions", "from decimal import Decimal, getcontext\nfrom fractions import Fraction\ndef f():\n    getcontext().prec = 20\n    return str(Decimal(1) / 7), str(Fraction(1, 3) + Fraction(1, 6))", (), ("0.14285714285714285714", "1/2")),
    Function("unicode", "import unicodedata\ndef f(s): return unicodedata.normalize('NFD', s), s.casefold(), s[::-1], len(s.encode())", ("Straße é",), ("Straße e\u0301", "strasse é", "é eßartS", 10)),
    Function("generators", "def g():\n    x = yield 1\n    yield from [x, 3]\ndef f():\n    it = g()\n    return [next(it), it.send(2), next(it)]", (), [1, 2, 3]),
    Function("closures", "def f(n):\n    def make(i): return lambda x: x + i\n    return [h(10) for h in map(make, range(n))]", (3,), [10, 11, 12]),
    Function("exceptions", "def f(x):\n    try:\n        try: return 1 / x\n        except ZeroDivisionError as e: raise ValueError('bad') from e\n    except ValueError as e: return type(e.__cause__).__name__\n    finally: pass", (0,), "ZeroDivisionError"),
    Function("exception groups", "def f():\n    n = 0\n    try: raise ExceptionGroup('g', [ValueError(1), TypeError(2)])\n    except* ValueError as g: n += len(g.exceptions)\n    except* TypeError: n += 10\n    return n", (), 11),
    Function("pattern matching", "def f(x):\n    match x:\n        case {'k': [a, *rest]}: return a, rest\n        case _: return None", ({"k": [1, 2, 3]},), (1, [2, 3])),
    Function("context managers", "import contextlib, io\ndef f():\n    b = io.StringIO()\n    with contextlib.redirect_stdout(b), contextlib.suppress(KeyError): print('x'); {}[1]\n    return b.getvalue()", (), "x\n"),
    Function("null device", "import os\ndef f():\n    with open(os.devnull, 'w') as n: print('x', file=n)\n    return open(os.devnull).read()", (), ""),
    Function("temporary file", "import tempfile\ndef f():\n    with tempfile.NamedTemporaryFile('w+') as t:\n        t.write('hello'); t.seek(0)\n        return t.read()", (), "hello", writable=True),
    Function("files and folders", "import pathlib, shutil, json, csv, os\ndef f():\n    p = pathlib.Path('a/b'); p.mkdir(parents=True); (p / 'c.json').write_text(json.dumps([1]))\n    with open('t.csv', 'w', newline='') as t: csv.writer(t).writerow([1, 'x'])\n    r = json.loads((p / 'c.json').read_text()), open('t.csv').read(), sorted(os.listdir('.'))\n    shutil.rmtree('a'); return r", (), ([1], "1,x\n", ["a", "t.csv"]), writable=True),
    Function("sqlite", "import sqlite3\ndef f():\n    c = sqlite3.connect(':memory:')\n    c.execute('create table t (x)'); c.executemany('insert into t values (?)', [(1,), (2,)])\n    return c.execute('select sum(x) from t').fetchone()", (), (3,)),
    Function("json and base64", "import json, base64, zlib\ndef f(x): return json.loads(json.dumps(x, sort_keys=True)), base64.b64encode(zlib.decompress(zlib.compress(b'hi')))", ({"a": [1, None]},), ({"a": [1, None]}, b"aGk=")),
    Function("hashes", "import hashlib, hmac\ndef f(s): return hashlib.sha256(s).hexdigest()[:8], hmac.new(b'k', s, 'sha1').hexdigest()[:8]", (b"abc",), ("ba7816bf", __import__("hmac").new(b"k", b"abc", "sha1").hexdigest()[:8])),
    Function("dates", "import datetime, calendar, zoneinfo\ndef f():\n    d = datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc)\n    return (d + datetime.timedelta(days=1)).isoformat(), calendar.isleap(2024), d.strftime('%A')", (), ("2024-03-01T00:00:00+00:00", True, "Thursday")),
    Function("random with a seed", "import random\ndef f():\n    r = random.Random(1)\n    return [r.randint(1, 100) for _ in range(3)]", (), [18, 73, 98]),
    Function("statistics", "import statistics\ndef f(x): return statistics.mean(x), statistics.median(x), statistics.mode([1, 1, 2])", ([1, 2, 6],), (3, 2, 1)),
    Function("struct and arrays", "import struct, array\ndef f(): return struct.pack('>I', 7), array.array('i', [1, 2]).tolist(), memoryview(b'abc')[1:].tobytes()", (), (b"\0\0\0\7", [1, 2], b"bc")),
    Function("operator and copy", "import operator, copy\ndef f(x):\n    y = copy.deepcopy(x); y[0].append(1)\n    return operator.itemgetter(0)(x), y", ([[0]],), ([0], [[0, 1]])),
    Function("metaclass and abc", "import abc\nclass M(type):\n    def __new__(m, n, b, d): return super().__new__(m, n, b, d | {'tag': n})\nclass A(metaclass=M): pass\nclass B(abc.ABC):\n    @abc.abstractmethod\n    def g(self): ...\ndef f():\n    try: B()\n    except TypeError: return A.tag", (), "A"),
    Function("pickle of own classes", "import pickle\nclass A:\n    x = 1\ndef f(): return pickle.loads(pickle.dumps(A())).x", (), 1),
    Function("typing", "from __future__ import annotations\nfrom typing import Generic, Protocol, TypeVar, get_type_hints\nT = TypeVar('T')\nclass S(Generic[T]):\n    items: list[T]\ndef f(): return sorted(get_type_hints(S))", (), ["items"]),
    Function("matrix of lists", "def f(n):\n    a = [[i * j for j in range(n)] for i in range(n)]\n    return [sum(r[k] * a[k][0] for k in range(n)) for r in zip(*a)]", (3,), [0, 0, 0]),
    Function("graph search", "from collections import deque\ndef f(g, s):\n    d, q = {s: 0}, deque([s])\n    while q:\n        u = q.popleft()\n        for v in g.get(u, []):\n            if v not in d: d[v] = d[u] + 1; q.append(v)\n    return d", ({1: [2, 3], 2: [4]}, 1), {1: 0, 2: 1, 3: 1, 4: 2}),
    Function("eval and exec of its own", "def f(x):\n    space = {}\n    exec('def g(y): return y + 1', space)\n    return eval('g(x)', space, {'x': x})", (1,), 2),
    Function("time and sleep", "import time\ndef f():\n    t = time.monotonic(); time.sleep(0.01)\n    return 0.005 < time.monotonic() - t < 5 and time.perf_counter_ns() > 0", (), True),
    Function("logging and warnings", "import logging, warnings\ndef f():\n    logging.getLogger('x').warning('careful')\n    with warnings.catch_warnings(record=True) as w:\n        warnings.simplefilter('always'); warnings.warn('x')\n    return len(w)", (), 1),
    Function("unit tests", "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(1, 1)\ndef f():\n    r = unittest.TestResult(); unittest.defaultTestLoader.loadTestsFromTestCase(T).run(r)\n    return r.wasSuccessful(), r.testsRun", (), (True, 1)),
    Function("string formatting", "import string, textwrap\ndef f(): return f'{3.14159:.2f} {255:#x} {\"a\":>3}', string.Template('$a').substitute(a=1), textwrap.fill('a b', 1)", (), ("3.14 0xff   a", "1", "a\nb")),
    Function("C structures", "import ctypes\nclass P(ctypes.Structure):\n    _fields_ = [('x', ctypes.c_int)]\ndef f():\n    cb = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)\n    return P(3).x, cb(1)", (), (3, 2)),
    Function("asyncio", "import asyncio\nasync def g(i):\n    await asyncio.sleep(0.001)\n    return i\nasync def main(): return await asyncio.gather(*(g(i) for i in range(3)), asyncio.to_thread(len, 'ab'))\ndef f(): return asyncio.run(main())", (), [0, 1, 2, 2], profile=Profile.ASYNCIO),
    Function("numpy", "import numpy as np\ndef f(n):\n    a = np.arange(n, dtype=float).reshape(2, -1)\n    return (a @ a.T).tolist(), float(np.linalg.det(np.eye(3) * 2)), np.sort(np.array([3, 1])).tolist()", (4,), ([[1.0, 3.0], [3.0, 13.0]], 7.999999999999998, [1, 3]), profile=Profile.SCI, limits=Limits(memory=1024 * MIB)),
    Function("several processes", "import os\ndef f():\n    r, w = os.pipe(); pid = os.fork()\n    if pid == 0:\n        os.write(w, b'child'); os._exit(0)\n    os.waitpid(pid, 0)\n    return os.read(r, 9)", (), b"child", limits=Limits(processes=4)),
]  # fmt: skip

SCRIPTS = [
    Script("input and print", "a, b = map(int, input().split())\nprint(a + b)", b"1 2\n", b"3\n"),
    Script("all of stdin", "import sys\nprint(sum(map(int, sys.stdin.read().split())))", b"1\n2\n3", b"6\n"),
    Script("lines of stdin", "import sys\nfor line in sys.stdin: print(line.rstrip()[::-1])", b"ab\ncd\n", b"ba\ndc\n"),
    Script("bytes of stdin", "import sys\nd = sys.stdin.buffer.read()\nsys.stdout.buffer.write(d[::-1])", bytes(range(256)), bytes(range(255, -1, -1))),
    Script("open(0)", "print(len(open(0).read()))", b"x" * 100_000, b"100000\n"),
    Script("end of input", "n = 0\ntry:\n    while True: input(); n += 1\nexcept EOFError: print(n)", b"a\nb\n", b"2\n"),
    Script("main guard", "def main(): print('main')\nif __name__ == '__main__': main()", b"", b"main\n"),
    Script("exit", "print(1)\nexit()\nprint(2)", b"", b"1\n"),
    Script("sys.exit(0) in a function", "import sys\ndef f(): sys.exit(0)\nprint(1); f()", b"", b"1\n"),
    Script("atexit", "import atexit\natexit.register(print, 'bye')\nprint('hi')", b"", b"hi\nbye\n"),
    Script("thread that outlives main", "import threading, time\ndef f():\n    time.sleep(0.05); print('done')\nthreading.Thread(target=f).start()", b"", b"done\n"),
    Script("unicode text", "print(input().upper(), '✓')", "äß\n".encode(), "ÄSS ✓\n".encode()),
    Script("stderr beside stdout", "import sys\nprint('a', file=sys.stderr); print('b')", b"", b"b\n"),
    Script("60 kB of output", "print('x' * 60000)", b"", b"x" * 60000 + b"\n"),
    Script("unbuffered order", "import os\nprint('a', flush=True); os.write(1, b'b\\n'); print('c')", b"", b"a\nb\nc\n"),
    Script("set order is the same every time", "print({'b', 'a', 'c', 'd'} == set('abcd'), __debug__)", b"", b"True True\n"),
]  # fmt: skip
