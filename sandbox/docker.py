"""The sandbox in containers: warm ones, hardened, each with the same fork server inside as the local backend has.

    async with DockerSandbox() as sandbox: ...          Docker; see the end about Podman
    async with DockerSandbox(runtime="runsc"): ...      gVisor: a kernel of its own between the code and ours
    async with DockerSandbox(paranoid=True): ...        no container sees two submissions; half a second each

The container has the namespaces, a read-only root of nothing but Python, no network, no capabilities, and limits on
memory, processes and CPU; inside it every execution is locked in by Landlock, seccomp and rlimits. The level is what
the probe finds there, as everywhere (`selfplay.sandbox.levels`): L2, since executions in a container share its
namespaces, and less where the runtime lacks Landlock, as gVisor does, although that protects the kernel better.

What it does not do: addresses differ from container to container, so a program that prints them does not repeat itself;
the scratch folder has the default size whatever a job's limits say; memory beyond `container.MEMORY` cannot be had.
Podman starts the containers, but Podman 4.3 lets nobody talk to the server in them over its attach connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from selfplay.errors import RunError
from selfplay.sandbox.containers.container import Starter
from selfplay.sandbox.containers.engine import connect, remove_left_over
from selfplay.sandbox.containers.image import existing_image, local_image
from selfplay.sandbox.inside.namespaces import SCRATCH_PARENT
from selfplay.sandbox.launch import settings
from selfplay.sandbox.local import RECYCLE_AFTER, LocalSandbox
from selfplay.sandbox.worker import Launch

if TYPE_CHECKING:
    from selfplay.sandbox.containers.image import Image


class DockerSandbox(LocalSandbox):
    """See `selfplay.sandbox.types.Sandbox`.

    Args:
        workers: containers at a time, one per core of this machine unless given.
        image: its name on the engine; made of the Python that runs us unless given.
        runtime: the engine's unless given.
        run: the run that its containers are labelled with.
        paranoid: a container is replaced before another submission comes to it.
        recycle_after: executions after which a container is replaced in any case.
    """

    backend = "docker"

    def __init__(
        self,
        workers: int | None = None,
        *,
        image: str | None = None,
        runtime: str | None = None,
        run: str = "",
        paranoid: bool = False,
        recycle_after: int = RECYCLE_AFTER,
    ) -> None:
        super().__init__(workers, without=["namespaces"], recycle_after=recycle_after, apart=paranoid)
        self.missing["namespaces"] = "the container's; executions in it share them"
        self.image_name, self.runtime, self.run_name = image, runtime, run
        self._image: Image | None = None

    def start(self) -> None:
        """See `LocalSandbox.start`.

        Raises:
            MissingExtra: the package `docker` is not installed.
            UsageError: there is no such image, or it does not say where its Python is.
            RunError: no engine answers, or it starts no container.
        """
        if self._image is None:
            engine = connect()
            try:
                remove_left_over(engine)
                self._image = existing_image(engine, self.image_name) if self.image_name else local_image(engine)
            except OSError as error:
                raise RunError(f"the container engine refuses: {error}") from error
            finally:
                engine.close()
        super().start()

    def _launch(self, *, numpy: bool) -> Launch:
        image = self._image
        assert image is not None, "started"
        if numpy and not image.packages:
            raise RunError(f"profile 'sci' needs numpy, which image {image.name} does not have")
        inside = settings(self.layers, image.readable, image.packages if numpy else [])
        return Launch(
            [image.python],
            {**inside, "scratch": SCRATCH_PARENT},
            start=Starter(image.name, self.runtime, self.run_name),
        )

    def describe(self) -> dict[str, object]:
        image = self._image.name if self._image else self.image_name
        return {**super().describe(), "image": image, "runtime": self.runtime or "the engine's"}
