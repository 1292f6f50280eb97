"""What runs inside: the far end of the pipe, shipped as source into a clean Python. Imports only the standard library
and its own files, which `boot` loads from the text that came through the pipe.

    parent --- stdin, stdout of the server ---  server  --- pipes, made for one execution ---  child: one execution

**Between parent and server**, frames: two big-endian uint32 (length of head, length of body), the head (JSON object),
the body (bytes). One request at a time.

    parent -> server
        {"kind": "run", ...}     begin an execution; the body is the child's alone, the server does not read it
        {"kind": "hold", ...}    the parent is busy with a call: so many seconds at most do not count
        {"kind": "reply", ...}   the answer to it; the body is written to the child as it is
        {"kind": "more"}         what was said has been dealt with; only then may more be said, so the two cannot block
                                 each other by writing at the same time
        {"kind": "stop"}         the child said more than is allowed: kill it
    server -> parent
        {"kind": "ready", ...}   once, at the start: what holds, as probed in a child
        {"kind": "said"}         the body is what the child sent; only while an execution has proxies
        {"kind": "done", ...}    the execution ended: wait status, why it was killed, resources used; the body is what
                                 came on stdout, on stderr, and (rest) what the child sent, of the lengths in the head
        {"kind": "broken", ...}  the execution could not be set up; the code did not run

**The body of `run`**: source, entry, wire texts of the cases' arguments, and names of proxies, marshalled (the parent
is trusted, and this is quick to read), then a script's stdin. The child reads it by itself after the fork, so the
server's memory, which every later child inherits, never holds a submission or an input.

**What the child sends** is written by an attacker, as far as the parent is concerned. Records: one byte kind, uint32
index of the case, uint32 microseconds of CPU time, uint32 length, then as many bytes:

    v  the wire text of a value               x  an exception: JSON [type, message, line]
    i  why the value cannot travel, UTF-8     c  a call: name, NUL, wire text of (args, kwargs)
    e  the end; index is the number of cases. Nothing may follow.

**What the child receives** while it has proxies: uint32 length, then JSON [true, wire text] or [false, type, message].

A child that ended without its last record has not succeeded, whatever its exit code. A child that could not be set up
says so before the code starts, so code cannot pass off its own failure as one of the sandbox.
"""
