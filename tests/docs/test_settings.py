"""The settings page against the class, and the variables against the code that reads them."""

import re

from pydantic_core import PydanticUndefined

from tests.docs.pages import ROOT, Page
from ukemi.collector.alerts import rules_file
from ukemi.collector.settings import Settings

PAGE = Page.read("docs/reference/settings.md")


def shown_default(name):
    """A setting's default as the page writes it."""
    field = Settings.model_fields[name]
    if name == "data_dir":
        return "`ukemi` in the user's data folder"
    value = field.default_factory() if field.default is PydanticUndefined else field.default
    return "none" if value is None else f"`{value}`"


def test_the_page_lists_exactly_the_settings_with_their_defaults():
    listed = {row["variable"].strip("`"): row["default"] for row in PAGE.section("The collector").table()}

    assert listed == {f"UKEMI_{name.upper()}": shown_default(name) for name in Settings.model_fields}


def test_every_setting_has_a_meaning():
    assert all(len(row["meaning"]) > 15 for row in PAGE.section("The collector").table())


def test_the_page_lists_exactly_the_variables_of_the_shipped_channels():
    channels = rules_file.load(None).channels.values()
    variables = {
        getattr(channel, name) for channel in channels for name in channel.__struct_fields__ if name.endswith("_env")
    }

    assert set(PAGE.section("The channels").column("variable")) == variables


def test_the_page_lists_exactly_the_variables_that_the_sdk_reads():
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "src/ukemi/sdk").glob("*.py"))
    read = set(re.findall(r'environ(?:ment)?(?:\.get\(|\[)"(\w+)"', sources))

    assert set(PAGE.section("The SDK").column("variable")) == read


def test_every_variable_of_ours_that_a_page_names_exists():
    """A variable that was renamed must not live on in a how-to."""
    listed = set().union(
        *(PAGE.section(name).column("variable") for name in ("The collector", "The channels", "The SDK"))
    )
    pages = [path for path in (ROOT / "docs").rglob("*.md") if path != PAGE.path] + [ROOT / "README.md"]

    named = {variable for path in pages for variable in re.findall(r"\bUKEMI_[A-Z_]+", path.read_text("utf-8"))}

    assert named <= listed
