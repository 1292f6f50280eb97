"""Tasks from a file: every line is a task, whatever characters are in it, and mistakes are named by their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfplay.errors import UsageError
from selfplay.run.recipe import TaskSection
from selfplay.run.sources import Tasks


def tasks(path: Path) -> Tasks:
    return Tasks([TaskSection(source="file", path=str(path))], seed=0, deals=4)


def test_other_line_separators_inside_a_text_are_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text('"a\u2028b"\r\n\n"c\u0085d"\n', encoding="utf-8", newline="")
    source = tasks(path)
    assert {source.draw(0, deal).data for deal in range(20)} == {"a\u2028b", "c\u0085d"}


def test_a_broken_line_is_named_by_its_number_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text("1\n\n\nnope\n")
    with pytest.raises(UsageError, match=r"tasks\.jsonl:4 is not JSON"):
        tasks(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\n \n", None])
def test_files_without_tasks_are_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"tasks\.jsonl"):
        tasks(path)
