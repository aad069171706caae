"""The rules file: rules, channels, and which severity is told where. Strict: an unknown key is an error that names it."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ukemi.collector.core.rule import Rule, RuleError, Severity, check
from ukemi.collector.core.rule_text import WHERE, write_toml


class RulesError(ValueError):
    """The rules file cannot be used; the message says which part, why, and what is allowed there."""


PerHour = Annotated[int, Meta(ge=0)]


class SlackChannel(msgspec.Struct, frozen=True, tag="slack", tag_field="kind", forbid_unknown_fields=True):
    url_env: str
    """Name of the environment variable that holds the incoming webhook's URL."""
    per_hour: PerHour = 300
    """At most so many notifications in a clock hour; what is more comes as one digest in the next. 0: no limit."""

    def is_configured(self, environment: Mapping[str, str]) -> bool:
        return bool(environment.get(self.url_env))


class PagerDutyChannel(msgspec.Struct, frozen=True, tag="pagerduty", tag_field="kind", forbid_unknown_fields=True):
    routing_key_env: str
    url_env: str = ""
    """May name a variable with another URL than PagerDuty's own."""

    @property
    def per_hour(self) -> int:
        """No budget: PagerDuty needs every trigger and every resolve by itself."""
        return 0

    def is_configured(self, environment: Mapping[str, str]) -> bool:
        return bool(environment.get(self.routing_key_env))


class EmailChannel(msgspec.Struct, frozen=True, tag="email", tag_field="kind", forbid_unknown_fields=True):
    server_env: str
    """Holds the mail server's URL: smtp://user:password@host:587 or smtps://…:465 (docs/how-to/channels.md)."""
    to_env: str
    """Holds the addresses, separated by commas."""
    from_env: str
    """Holds the sender's address."""
    per_hour: PerHour = 60

    def is_configured(self, environment: Mapping[str, str]) -> bool:
        return all(environment.get(name) for name in (self.server_env, self.to_env, self.from_env))


class WebhookChannel(msgspec.Struct, frozen=True, tag="webhook", tag_field="kind", forbid_unknown_fields=True):
    url_env: str
    secret_env: str
    """Holds the signing secret, `whsec_…` or base64 (docs/how-to/channels.md)."""
    per_hour: PerHour = 0

    def is_configured(self, environment: Mapping[str, str]) -> bool:
        return bool(environment.get(self.url_env)) and bool(environment.get(self.secret_env))


class AppriseChannel(msgspec.Struct, frozen=True, tag="apprise", tag_field="kind", forbid_unknown_fields=True):
    """Everything that Apprise speaks: Teams, Discord, Telegram, ntfy, Opsgenie … Needs `ukemi[apprise]`."""

    urls_env: str
    """Holds one Apprise URL, or several separated by spaces."""
    per_hour: PerHour = 300

    def is_configured(self, environment: Mapping[str, str]) -> bool:
        return bool(environment.get(self.urls_env))


ChannelConfig = SlackChannel | PagerDutyChannel | EmailChannel | WebhookChannel | AppriseChannel


class RuleSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"rules": "rule"}):
    version: Literal[1]
    severities: dict[Severity, list[str]]
    channels: dict[str, ChannelConfig]
    rules: list[Rule]
    fallback: list[str] = []
    """Whom to tell, in this order, when a channel fails. Empty: any other one, in the order of `channels`."""

    def configured(self, environment: Mapping[str, str]) -> dict[str, ChannelConfig]:
        """The channels whose variables are set."""
        return {name: channel for name, channel in self.channels.items() if channel.is_configured(environment)}

    def is_nobody_told(self, environment: Mapping[str, str]) -> bool:
        """Whether no rule's incidents would reach any channel."""
        configured = self.configured(environment)
        return not any(name in configured for rule in self.rules for name in self.severities.get(rule.severity, []))

    def untold(self, environment: Mapping[str, str]) -> list[Severity]:
        """Severities that channels are named for, none of which is configured: their incidents reach nobody."""
        configured = self.configured(environment)
        return [s for s, names in self.severities.items() if names and not any(name in configured for name in names)]

    def fallbacks(self, environment: Mapping[str, str]) -> list[str]:
        """The configured channels that take over when another one fails, the first choice first."""
        configured = self.configured(environment)
        return [name for name in self.fallback or self.channels if name in configured]


def load(path: Path | None) -> RuleSet:
    """
    The rules of a file, or those that ship with ukemi.

    Raises:
        RulesError: the file is missing or wrong.
    """
    try:
        text = path.read_text("utf-8") if path else files(__package__).joinpath("default_rules.toml").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"The rules file {path} cannot be read: {error}. It is named by UKEMI_RULES_FILE.") from error
    try:
        rules = parse(text)
    except RulesError as error:
        raise RulesError(f"The rules file {path or 'that ships with ukemi'} is wrong. {error}") from error
    return rules


def parse(text: str) -> RuleSet:
    """
    Rules from TOML.

    Raises:
        RulesError: says what is wrong, and where.
    """
    try:
        rules = msgspec.toml.decode(text, type=RuleSet)
    except msgspec.ValidationError as error:
        raise RulesError(f"{error}. {WHERE}.") from error
    except msgspec.DecodeError as error:
        raise RulesError(f"It is not TOML: {error}.") from error
    for severity, names in rules.severities.items():
        for name in names:
            if name not in rules.channels:
                raise RulesError(
                    f"Severity {severity!r} names the channel {name!r}, but there is no [channels.{name}]."
                )
    for name in rules.fallback:
        if name not in rules.channels:
            raise RulesError(f"`fallback` names the channel {name!r}, but there is no [channels.{name}].")
    names = [rule.name for rule in rules.rules]
    for name in names:
        if names.count(name) > 1:
            raise RulesError(f"Two rules are called {name!r}; names must differ, since incidents refer to them.")
    for rule in rules.rules:
        try:
            check(rule)
        except RuleError as error:
            raise RulesError(f"{error} {WHERE}.") from error
        for name, severity in ((rule.name, rule.severity), *((step.name, step.severity) for step in rule.steps)):
            if severity not in rules.severities:
                raise RulesError(f"Rule {name!r} has severity {severity!r}, which [severities] does not list.")
    return rules


def write(rules: RuleSet) -> str:
    """The rules as TOML, such as `parse` reads."""
    return write_toml(rules)
