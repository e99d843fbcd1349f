"""Makes wheels of installed Python packages that are nothing but Python, and prints them as JSON: name to base64.

Debian's packages are the only Python packages that every machine of the tests can get, and an index serves wheels.
Arguments: DISTRIBUTION=MODULE, where MODULE is the file or folder that it installs.
"""

import base64
import hashlib
import importlib
import importlib.metadata
import io
import json
import pathlib
import sys
import zipfile


def files_of(module):
    path = pathlib.Path(importlib.import_module(module).__file__)
    if path.name != "__init__.py":
        return [(path.name, path.read_bytes())]
    folder = path.parent
    sources = sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return [(str(p.relative_to(folder.parent)), p.read_bytes()) for p in sources]


def wheel(name, module):
    distribution = importlib.metadata.distribution(name)
    info = f"{name}-{distribution.version}.dist-info"
    needs = [f"Requires-Dist: {line}" for line in distribution.requires or []]
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {distribution.version}", *needs, ""]
    files = files_of(module)
    files.append((f"{info}/METADATA", "\n".join(metadata).encode()))
    files.append((f"{info}/WHEEL", b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"))
    scripts = [f"{e.name} = {e.value}" for e in distribution.entry_points if e.group == "console_scripts"]
    if scripts:
        files.append((f"{info}/entry_points.txt", "\n".join(["[console_scripts]", *scripts, ""]).encode()))
    record = []
    for path, data in files:
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(data)}")
    files.append((f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,", ""]).encode()))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files:
            archive.writestr(zipfile.ZipInfo(path), data)
    return f"{name}-{distribution.version}-py3-none-any.whl", base64.b64encode(buffer.getvalue()).decode()


print(json.dumps(dict(wheel(*argument.split("=")) for argument in sys.argv[1:])))
