"""The documentation as the tests see it: pages, their sections, tables and snippets."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    path: Path
    text: str

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """A page by its path from the root of the repository."""
        return cls(ROOT / path, (ROOT / path).read_text("utf-8"))

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def prose(self) -> str:
        """The text without its snippets, for `#` begins a comment there."""
        return _FENCE.sub("", self.text)

    def snippets(self, language: str) -> list[str]:
        return [code for found, code in _FENCE.findall(self.text) if found == language]

    def headings(self) -> list[str]:
        return [title for _, title in _HEADING.findall(self.prose)]

    def anchors(self) -> set[str]:
        """What `#…` of a link may name: each heading in the form that code forges give it."""
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in self.headings()}

    def section(self, heading: str) -> "Page":
        """The part under a heading, up to the next one of its rank or above."""
        start = re.search(rf"^(#+) {re.escape(heading)}$", self.text, re.MULTILINE)
        assert start, f"{self.name} has no heading {heading!r}"
        rest = self.text[start.end() :]
        end = re.search(rf"^#{{1,{len(start[1])}}} ", _FENCE.sub(lambda fence: "·" * len(fence[0]), rest), re.MULTILINE)
        return Page(self.path, rest[: end.start()] if end else rest)

    def table(self) -> list[dict[str, str]]:
        """Rows of the first table, by the names of its columns."""
        lines = re.search(r"(?:^\|.*\n?)+", self.text, re.MULTILINE)
        assert lines, f"{self.name} has no table there"
        columns, _, *rows = [
            [cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines[0].splitlines()
        ]
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def column(self, name: str) -> list[str]:
        """A column of the first table, without backticks."""
        return [row[name].strip("`") for row in self.table()]


def words(text: str) -> set[str]:
    """Everything that stands in backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))
