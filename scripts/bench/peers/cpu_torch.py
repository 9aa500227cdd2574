"""Makes the torch wheel of the Python package index importable without the gigabytes of CUDA libraries that it is linked with.

Run in the environment where torch was installed with --no-deps:  python cpu_torch.py

Nothing of CUDA is called on a CPU, but the loader wants every library that torch's own ones name, and every symbol whose address they
take. For each library that is missing, this writes one beside torch's with the symbols that torch asks of it; each of them answers 100,
cudaErrorNoDevice. torch's CPU code is the wheel's own, bit for bit.
"""

import importlib.util
import pathlib
import re
import subprocess
import sys
import tempfile

CUDA = re.compile(r"lib(cu|nv|nccl)[A-Za-z_]*\.so\.\d+")
NEEDED = re.compile(r"\(NEEDED\).*\[(.+)\]")
VERSIONS = re.compile(r"\bFile: (\S+)|\bName: (\S+)")
UNDEFINED = re.compile(r"\bUND\s+(\w+)(?:@(\S+))?")


def readelf(file, *flags):
    return subprocess.run(["readelf", "-W", *flags, str(file)], check=True, capture_output=True, text=True).stdout


def wanted(folder):
    """The symbols that torch's libraries ask of each CUDA library, by the library's name and the symbols' version."""
    symbols = {}
    for file in sorted(folder.glob("*.so")):
        for name in NEEDED.findall(readelf(file, "-d")):
            if CUDA.fullmatch(name):
                symbols.setdefault(name, {})
        bare = {re.split(r"[._]", name[3:])[0].lower(): name for name in symbols}
        home, library = {}, ""
        for named, version in VERSIONS.findall(readelf(file, "-V").partition("Version needs")[2]):
            library = named or library
            if version and CUDA.fullmatch(library):
                home[version] = library
        for symbol, version in UNDEFINED.findall(readelf(file, "--dyn-syms")):
            if version in home:
                symbols.setdefault(home[version], {}).setdefault(version, set()).add(symbol)
            elif not version:  # some of the libraries have no versions: their symbols begin with the library's name
                for prefix, name in bare.items():
                    if symbol.lower().startswith(prefix):
                        symbols[name].setdefault("", set()).add(symbol)
    return symbols


def main():
    spec = importlib.util.find_spec("torch")
    if spec is None:
        sys.exit("cpu_torch: torch is not installed here")
    folder = pathlib.Path(spec.origin).parent / "lib"
    for name, versions in sorted(wanted(folder).items()):
        if name == "libcuda.so.1":  # the driver's: only loaded where it is
            continue
        with tempfile.TemporaryDirectory() as scratch:
            source, script = pathlib.Path(scratch, "stub.c"), pathlib.Path(scratch, "versions")
            every = sorted({s for symbols in versions.values() for s in symbols})
            versions.pop("", None)
            source.write_text("".join(f"int {s}(void) {{ return 100; }}\n" for s in every))
            script.write_text("".join(f"{v} {{ {'; '.join(sorted(symbols))}; }};\n" for v, symbols in sorted(versions.items())))
            flags = ["-w", "-shared", "-fPIC", "-fno-builtin", f"-Wl,-soname,{name}", *([f"-Wl,--version-script={script}"] if versions else [])]
            subprocess.run(["gcc", *flags, "-o", str(folder / name), str(source)], check=True)
    import torch

    assert not torch.cuda.is_available()
    print("torch", torch.__version__, "on the CPU")


main()
