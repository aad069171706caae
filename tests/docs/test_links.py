"""Links lead somewhere, and every page can be found."""

import re

import pytest

from tests.docs.pages import PAGES, ROOT, Page

_LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", [*map(Page.read, PAGES)], ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for link in _LINK.findall(page.prose):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        if not target.exists() or (anchor and anchor not in Page.read(target).anchors()):
            broken.append(link)

    assert broken == []


def test_the_index_names_every_page():
    index = Page.read("docs/README.md")
    linked = {(index.path.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(index.text)}

    missing = {str(path.relative_to(ROOT)) for path in PAGES if "docs" in path.relative_to(ROOT).parts[:-1]}

    assert missing - {str(path.relative_to(ROOT)) for path in linked} == {"docs/README.md"}
