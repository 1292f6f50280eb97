"""The first thing a worker executes, given to Python with -c: it has nothing else yet.

Reads from stdin a uint32 length and a JSON object: the sources of the other files by module name, in the order in which
they can be loaded, and the settings of the server, which it then becomes.
"""

import json
import os
import sys
import types

# What modules would do after each fork (`random`, `threading`) touches 150 pages; a child is to begin as the server is.
os.register_at_fork = lambda **hooks: None
size = int.from_bytes(os.read(0, 4), "big")
text = b""
while len(text) < size and (part := os.read(0, size - len(text))):
    text += part
shipped = json.loads(text)
for name, source in shipped["sources"].items():
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    exec(compile(source, f"<{name}>", "exec", dont_inherit=True), module.__dict__)
    package, _, last = name.rpartition(".")
    if package:
        setattr(sys.modules[package], last, module)
serve = sys.modules["selfplay.sandbox.inside.server"].serve
settings = shipped["settings"]
for name in shipped["sources"]:
    del sys.modules[name]
del shipped, text, part, source, module
serve(settings)
