"""A real container engine for tests: Podman's service on a socket of its own, with a small image made without any registry."""

from __future__ import annotations

import io
import os
import resource
import shutil
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.support.waiting import eventually

PROGRAMS = {"podman": "podman", "runc": "runc", "busybox": "busybox-static"}
"""Programs that the engine and its image need, with the Debian packages that bring them."""

TINY_IMAGE = "localhost/celestra-tests/tiny:latest"
"""BusyBox, a stand-in for Python that says how it was called, and an entry point that fails if nobody clears it."""

# An engine may lower the limits that it inherited, and must not raise them on every machine.
_OPEN_FILES, _PROCESSES = 4096, 4096


class ContainerEngine:
    """Podman's service in a folder of its own: nothing is shared with containers and images of the machine."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="celestra-engine-"))
        self.address = f"unix://{self.folder}/engine.sock"
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "TMPDIR": str(self.folder / "tmp"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> ContainerEngine:
        """Start the service and load the image."""
        (self.folder / "tmp").mkdir()
        files, processes = (
            min(most, resource.getrlimit(kind)[1])
            for kind, most in ((resource.RLIMIT_NOFILE, _OPEN_FILES), (resource.RLIMIT_NPROC, _PROCESSES))
        )
        (self.folder / "containers.conf").write_text(
            '[containers]\nnetns = "host"\n'
            f'default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
            f'tmp_dir = "{self.folder}/libpod"\n'
        )
        (self.folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.folder}/images"\nrunroot = "{self.folder}/run"\n'
        )
        with (self.folder / "service.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["podman", "system", "service", "--time=0", self.address],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(lambda: (self.folder / "engine.sock").exists(), within=20)
        with self.client() as client:
            changes = ['ENTRYPOINT ["/bin/false"]']
            client.import_image_from_data(_make_root_folder(), repository=TINY_IMAGE.rpartition(":")[0], changes=changes)
        return self

    def client(self) -> docker.APIClient:
        """Return a client to look at the engine with, a context manager that closes it."""
        return _Client(base_url=self.address, timeout=30)

    def stop(self) -> None:
        """Remove all containers, stop the service and forget its images."""
        try:
            with self.client() as client:
                for container in client.containers(all=True):
                    client.remove_container(container["Id"], v=True, force=True)
        except docker.errors.DockerException:
            pass
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((path for path in mounts if path.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class _Client(docker.APIClient):
    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _make_root_folder() -> bytes:
    """Return the tar of a root folder with BusyBox under the name of each of its programs."""
    busybox = shutil.which("busybox") or "busybox"
    names = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("proc", 0o755), ("sys", 0o755), ("dev", 0o755), ("tmp", 0o1777)):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, mode
            archive.addfile(member)
        archive.add(busybox, arcname="bin/busybox")
        stand_in = b'#!/bin/sh\necho "python $*"\n'
        member = tarfile.TarInfo("bin/python")
        member.size, member.mode = len(stand_in), 0o755
        archive.addfile(member, io.BytesIO(stand_in))
        for name in names:
            if name != "busybox":
                member = tarfile.TarInfo(f"bin/{name}")
                member.type, member.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(member)
    return packed.getvalue()


def explain_absence() -> str:
    """Return why no container engine can run here, empty when one can."""
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        return f"needs a container engine: apt install {' '.join(missing)}"
    return "" if os.geteuid() == 0 else "starts its container engine as root"


@pytest.fixture(scope="session")
def container_engine() -> Iterator[ContainerEngine]:
    """The engine of this test run; skips where it cannot run."""
    if reason := explain_absence():
        pytest.skip(reason)
    engine = ContainerEngine()
    try:
        yield engine.start()
    finally:
        engine.stop()
