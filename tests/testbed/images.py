"""Builds the images of the testbed without a container engine: a base by debootstrap, the product's by buildah, the pause image by hand.

Each ends as a docker-archive in the cache that containerd imports. Run as a program (`python -m testbed.images`) it builds the
product's images and prints their sizes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from pathlib import Path

from testbed import packages
from testbed.binaries import OTHERS, alone, build, cache, path, say
from testbed.kafka import Unavailable

ROOT = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
BASE = "localhost/penstock-base:1"
PAUSE = "localhost/pause:1"
TARGETS = ("operator", "gateway")
SOURCES = ("Dockerfile", "LICENSE", "README.md", "pyproject.toml", "requirements.lock", "crds", "gateway", "operator")
BUILD_DEADLINE = 900.0
MANY_LAYERS = 150
"""A build of everything leaves about forty."""


class Broken(Exception):
    """The product's own Dockerfile does not build; the machine is not to blame."""


def name_of(target: str, tag: str = "test") -> str:
    """What an image of the product is called on the testbed's node."""
    return f"localhost/penstock/{target}:{tag}"


def all_archives() -> list[Path]:
    """Every archive a node needs, built where it is missing or older than the sources (`PENSTOCK_SOURCE`: of another checkout)."""
    return [pause(), *product(Path(os.environ.get("PENSTOCK_SOURCE") or ROOT)).values()]


# --- pause --------------------------------------------------------------------------------------------------------------------


def pause() -> Path:
    """The image that holds a pod's namespaces: one static program."""
    archive = cache() / "images" / "pause.tar"
    build([each for each in OTHERS if each.name == "pause"])
    program = path("pause")
    if not archive.exists() or archive.stat().st_mtime < program.stat().st_mtime:
        layer = _tar({"pause": (program.read_bytes(), 0o755)})
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
        manifest = [{"Config": "config.json", "RepoTags": [PAUSE], "Layers": ["layer.tar"]}]
        contents = {"config.json": json.dumps(config).encode(), "layer.tar": layer}
        contents["manifest.json"] = json.dumps(manifest).encode()
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.write_bytes(_tar({name: (content, 0o644) for name, content in contents.items()}))
    return archive


def _tar(contents: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, (content, mode) in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


# --- base ---------------------------------------------------------------------------------------------------------------------


def _base() -> None:
    """Have the base image in buildah's store: Debian with Python and certificates, nothing else."""
    if _buildah("inspect", "--type", "image", BASE, check=False).returncode == 0:
        return
    say(f"making the base image from Debian {SUITE} (about 40 s)")
    with tempfile.TemporaryDirectory(prefix="base-", dir=cache()) as work:
        root = Path(work) / "root"
        include = "--include=python3,python3-venv,ca-certificates"
        _run(["debootstrap", "--variant=minbase", include, SUITE, str(root)], BUILD_DEADLINE)
        for waste in (
            "var/cache/apt",
            "var/lib/apt/lists",
            "var/log",
            "usr/share/doc",
            "usr/share/man",
            "usr/share/locale",
        ):
            shutil.rmtree(root / waste, ignore_errors=True)
            (root / waste).mkdir(parents=True)
        (Path(work) / "Dockerfile").write_text('FROM scratch\nCOPY root /\nCMD ["python3"]\n')
        _buildah("bud", "-q", "-t", BASE, work)


# --- product ------------------------------------------------------------------------------------------------------------------


def product(source: Path = ROOT, tag: str = "test") -> dict[str, Path]:
    """Target → archive of the product's images, built from a checkout's Dockerfile without network; anew when a source changed.

    Another checkout with another tag gives the images of another version. Raises Broken when the Dockerfile does not build.
    """
    packages.install()
    stamp = f"{tag}-{_digest(source)}"
    archives = {target: cache() / "images" / f"{target}-{stamp}.tar" for target in TARGETS}
    if all(archive.exists() for archive in archives.values()):
        return archives
    with alone("images"):
        (cache() / "images").mkdir(parents=True, exist_ok=True)
        _base()
        wheels = _wheels(source)
        started = time.monotonic()
        say("building the product's images")
        with tempfile.TemporaryDirectory(prefix="context-", dir=cache()) as work:
            _context(source, Path(work), wheels)
            for target, archive in archives.items():
                if not archive.exists():
                    _build(Path(work), name_of(target, tag), target, archive)
        say(f"built the images in {time.monotonic() - started:.0f} s")
        _tidy()
    return archives


def _tidy() -> None:
    """Forget what nobody will ask for again: contexts of killed builds, old wheels, layers of old builds once they are many."""
    for context in cache().glob("context-*"):
        shutil.rmtree(context, ignore_errors=True)
    folders = sorted(cache().glob("wheels-*"), key=lambda folder: folder.stat().st_mtime)
    for old in folders[:-3]:
        shutil.rmtree(old, ignore_errors=True)
    if len(_buildah("images", "--all", "--quiet").stdout.split()) > MANY_LAYERS:
        say("forgetting the layers of old builds")
        _buildah("rm", "--all")
        _buildah("rmi", "--prune", "--force")


def _build(context: Path, name: str, target: str, archive: Path) -> None:
    options = ["--layers", "--network=host", "--build-arg", f"BASE_IMAGE={BASE}", "--target", target, "-t", name]
    try:
        _buildah("bud", "-q", *options, str(context))
    except Unavailable as reason:
        raise Broken(f"the image {target} does not build: {reason}") from None
    fresh = archive.with_name(f".{archive.name}.{os.getpid()}")
    _buildah("push", "-q", name, f"docker-archive:{fresh}:{name}")
    for old in archive.parent.glob(archive.name.replace(archive.stem.rpartition("-")[2], "*")):
        old.unlink()
    os.replace(fresh, archive)


def _context(source: Path, folder: Path, wheels: Path) -> None:
    for name in SOURCES:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy2(source / name, folder / name)
    shutil.copytree(wheels, folder / "wheels", copy_function=os.link)


def _digest(source: Path) -> str:
    """What the images are made of, as twelve digits."""
    digest = hashlib.sha256(BASE.encode())
    for name in SOURCES:
        place = source / name
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(source)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


# --- wheels -------------------------------------------------------------------------------------------------------------------


def _wheels(source: Path) -> Path:
    """A folder with the locked wheels of both images and of what builds the product's own."""
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    extras = [line for extra, lines in project["optional-dependencies"].items() if extra != "dev" for line in lines]
    lines = [*project["dependencies"], *extras, "hatchling"]
    wanted = locked(
        (source / "requirements.lock").read_text(), {_plain(re.split(r"[^\w.-]", line)[0]) for line in lines}
    )
    subset = "".join(wanted.values())
    folder = cache() / f"wheels-{hashlib.sha256(subset.encode()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    say(f"fetching {len(wanted)} wheels")
    with tempfile.TemporaryDirectory(prefix="wheels-", dir=cache()) as work:
        (Path(work) / "subset.lock").write_text(subset)
        into = Path(work) / "wheels"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--no-deps"]
        _run([*command, "--require-hashes", "-r", f"{work}/subset.lock", "-d", str(into)], BUILD_DEADLINE)
        os.replace(into, folder)
    return folder


def locked(lock: str, roots: set[str]) -> dict[str, str]:
    """Name → block of a lock file, for the roots and all they bring: each block says in `# via` who asked for it."""
    blocks = {_plain(block.split("==")[0]): block for block in re.split(r"(?m)^(?=[a-z0-9])", lock) if "==" in block}
    via = {
        name: {_plain(each) for each in re.findall(r"(?m)^ +# +(?:via )?([\w.-]+)", block)}
        for name, block in blocks.items()
    }
    wanted = roots & set(blocks)
    while more := {name for name, askers in via.items() if askers & wanted} - wanted:
        wanted |= more
    return {name: blocks[name] for name in sorted(wanted)}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


# --- programs -----------------------------------------------------------------------------------------------------------------


def _buildah(verb: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    store = ["--root", str(cache() / "buildah" / "root"), "--runroot", str(cache() / "buildah" / "run")]
    return _run(["nice", "-n", "10", "buildah", *store, verb, *arguments], BUILD_DEADLINE, check=check)


def _run(command: list[str], deadline: float, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "overlay"}
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=deadline,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if check and done.returncode:
        raise Unavailable(f"`{' '.join(command[:8])} …` failed: {(done.stdout + done.stderr)[-2000:]}")
    return done


def sizes() -> dict[str, int]:
    """Bytes of each image's layers, uncompressed; the base alone too, which a registry's nodes share."""
    found = {}
    for target in (BASE, *map(name_of, TARGETS)):
        answer = json.loads(_buildah("images", "--json", target).stdout)
        found[target] = round(_bytes(answer[0]["size"]))
    return found


def _bytes(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()]


if __name__ == "__main__":
    all_archives()
    for image, size in sizes().items():
        print(f"{image}\t{size / 1e6:.0f} MB")
