"""
Settings of the collector: `UKEMI_*` environment variables, else `ukemi.toml` in the working directory, else the default.

Secrets (passwords in a database URL, channel URLs and keys) come by the environment only, never from a command line,
where other users of the machine could read them.
"""

from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from platformdirs import user_data_path
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource


class Settings(BaseSettings):
    """Every setting with its default, unit and meaning; the reference page is checked against this class."""

    model_config = SettingsConfigDict(env_prefix="UKEMI_", toml_file="ukemi.toml", extra="forbid", frozen=True)

    data_dir: Path = Field(
        default_factory=lambda: user_data_path("ukemi"),
        description="Folder of the spool and, on SQLite, of the database. Made with mode 0700 if missing.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on. Use 0.0.0.0 to be reachable from other machines.")
    port: int = Field(8790, ge=0, le=65535, description="TCP port to listen on; 0 picks a free one.")
    base_url: str | None = Field(
        None,
        description="How users and apps reach this collector, e.g. https://errors.example.org; stands in DSNs and alert links. Default: http://HOST:PORT.",
    )
    database_url: str | None = Field(
        None,
        description="SQLAlchemy URL such as postgresql+psycopg://ukemi@localhost/ukemi. Default: SQLite, ukemi.db in data_dir.",
    )
    rules_file: Path | None = Field(None, description="Alert rules as TOML. Default: the rules that ship with ukemi.")
    outgoing_allow: list[IPv4Network | IPv6Network] = Field(
        default_factory=list,
        description='Private networks that notifications may be sent to, as JSON list: ["10.1.0.0/16"]. Public addresses are always allowed.',
    )
    heartbeat_url: str | None = Field(
        None,
        description="URL that is asked for by GET every minute while collector and worker are well, so that a watcher elsewhere notices when they are not.",
    )
    self_test_days: int = Field(
        7,
        ge=0,
        description="Days without any notification after which a channel is tried out with one; PagerDuty pages nobody by it. 0: never.",
    )
    max_item_bytes: int = Field(
        1 << 20, gt=0, description="Bytes of the largest event, request-counts or other JSON item accepted, decoded."
    )
    max_envelope_bytes: int = Field(20 << 20, gt=0, description="Bytes of the largest envelope accepted, decoded.")
    max_spool_bytes: int = Field(
        2 << 30, gt=0, description="Bytes waiting in the spool from which on new items are refused with 429."
    )
    max_database_bytes: int | None = Field(
        None,
        gt=0,
        description="Bytes that the database may fill; above, the oldest events go until it is 5 % below. Default: no limit.",
    )
    max_attachment_bytes: int = Field(5 << 20, gt=0, description="Bytes of the largest attachment accepted, decoded.")
    max_attachments_per_event: int = Field(20, ge=0, description="Attachments kept with one event; 0 keeps none.")
    events_per_minute: int = Field(
        10_000, gt=0, description="Events accepted per project and minute; more are refused with 429 and counted."
    )
    transactions_per_minute: int = Field(
        20_000, ge=0, description="Transactions accepted per project and minute; 0 accepts none."
    )
    spans_per_minute: int = Field(
        200_000, ge=0, description="Streamed spans accepted per project and minute; 0 accepts none."
    )
    sessions_per_minute: int = Field(
        20_000, ge=0, description="Messages about sessions accepted per project and minute; 0 accepts none."
    )
    feedback_per_minute: int = Field(
        200, ge=0, description="Messages of people accepted per project and minute; 0 accepts none."
    )
    attachments_per_minute: int = Field(
        1000, ge=0, description="Attachments accepted per project and minute; 0 accepts none."
    )
    keep_feedback_contact: bool = Field(
        True,
        description="Keep name and e-mail address of people who sent feedback as they gave them, to be answered. Else the address is hashed and the name removed.",
    )
    first_project: str = Field("My app", min_length=1, description="Name of the project that the first start creates.")
    keep_errors_days: int = Field(90, gt=0, description="Days that a new project keeps its error events.")
    keep_performance_days: int = Field(
        30, gt=0, description="Days that a new project keeps request counts and other performance data."
    )
    metrics_token: SecretStr | None = Field(
        None, description="Bearer token for /metrics. Default: none, and then only this machine may see them."
    )
    log_level: str = Field("info", description="debug, info, warning or error.")

    @cached_property
    def database(self) -> str:
        """SQLAlchemy URL of the main database."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'ukemi.db').absolute()}"

    @cached_property
    def per_minute(self) -> dict[str, int]:
        """Items accepted per project and minute, by category."""
        return {
            "error": self.events_per_minute,
            "security": self.events_per_minute,
            "transaction": self.transactions_per_minute,
            "span": self.spans_per_minute,
            "session": self.sessions_per_minute,
            "feedback": self.feedback_per_minute,
            "attachment": self.attachments_per_minute,
        }

    @cached_property
    def spool_path(self) -> Path:
        return self.data_dir / "spool" / "spool.db"

    @cached_property
    def bell_path(self) -> Path:
        """Of the bell that ingest rings and digest hears."""
        return self.spool_path.with_name("bell")

    @cached_property
    def public_url(self) -> str:
        """Base URL without a final slash, for DSNs and links."""
        return (self.base_url or f"http://{self.host}:{self.port}").rstrip("/")

    @classmethod
    def settings_customise_sources(  # the signature is pydantic's
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)
