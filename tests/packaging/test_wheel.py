"""The wheel holds exactly the files of the four package folders and works where a foreign `envs/` lies in the way."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {"selfplay": "selfplay", "envs": "selfplay/envs", "roles": "selfplay/roles", "sandbox": "selfplay/sandbox"}
"""Folder in the tree -> folder in the wheel."""

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs git to know which files belong to the tree")


def tree() -> list[str]:
    """Files that git tracks or would track."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted({name for name in names if name and (ROOT / name).is_file()})


def in_wheel(name: str) -> str | None:
    """Where a file of the tree lies in the wheel; `None` if it does not belong there."""
    top, _, rest = name.partition("/")
    return f"{FOLDERS[top]}/{rest}" if rest and top in FOLDERS else None


def pip(*arguments: str, cwd: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools leaves build/ behind, and takes stale files from it the next time."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in tree():
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "..", ".", cwd=folder / "source")
    [built] = folder.glob("*.whl")
    return built


def test_every_package_is_listed() -> None:
    """`[tool.setuptools] packages` in pyproject.toml must name each folder that holds an `__init__.py`."""
    homes = [home for name in tree() if name.endswith("/__init__.py") and (home := in_wheel(name))]
    found = sorted(home.removesuffix("/__init__.py").replace("/", ".") for home in homes)
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert sorted(listed) == found, "pyproject.toml should say: packages = " + str(found)


def test_the_wheel_holds_what_the_tree_holds(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {home for name in tree() if (home := in_wheel(name))}


def test_the_wheel_carries_the_license_and_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [entry_points] = [name for name in names if name.endswith("entry_points.txt")]
        assert b"selfplay = selfplay.cli:main" in archive.read(entry_points)
        assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_a_foreign_envs_folder_does_no_harm(wheel: Path, tmp_path: Path) -> None:
    pip("install", "--no-deps", "--no-compile", "--target", "site", str(wheel), cwd=tmp_path)
    for name in ("envs", "roles", "sandbox"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        (tmp_path / "mine" / name / "__init__.py").write_text("who = 'mine'\n")
    code = "import selfplay.envs, selfplay.roles, selfplay.sandbox, envs; print(envs.who, selfplay.envs.__file__)"
    # -S leaves site-packages out, and with it an editable install of the checkout.
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=tmp_path / "mine",
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["mine", str(tmp_path / "site/selfplay/envs/__init__.py")], done.stderr
