"""Settings, from environment variables; see `/.env.example.sentry` for those of error tracking."""

import hashlib
from functools import lru_cache
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ukemi.sdk import find_release

APP_NAME = "wwmaa-backend"
DEVELOPMENT_SECRET = "development-only-secret-of-32-bytes"  # noqa: S105 - refused in production


class Settings(BaseSettings):
    model_config = SettingsConfigDict(case_sensitive=True, extra="ignore", frozen=True)

    PYTHON_ENV: str = "development"
    DATABASE_URL: str = "sqlite:///wwmaa.db"
    """Or `postgresql+psycopg://…`."""
    REDIS_URL: str = ""
    """Empty: each process caches for itself."""
    SMTP_URL: SecretStr = SecretStr("")
    """`smtp://` or `smtps://USER:PASSWORD@HOST:PORT`. Empty: mail is not sent, and the log says so."""
    MAIL_FROM: str = "WWMAA <office@wwmaa.example>"
    JWT_SECRET: SecretStr = Field(default=SecretStr(DEVELOPMENT_SECRET), min_length=32)

    STRIPE_API_KEY: SecretStr = SecretStr("sk_test_not_a_real_key")
    STRIPE_API_BASE: str = "https://api.stripe.com"
    STRIPE_TIMEOUT_S: float = 5.0
    STRIPE_WEBHOOK_SECRET: SecretStr = SecretStr("")
    """Empty: what claims to come from Stripe is refused."""

    METRICS: bool = False
    """Prometheus' metrics at `/metrics`."""
    OTEL_EXPORTER_OTLP_ENDPOINT: str = ""
    """Where OpenTelemetry's spans go, such as `http://localhost:4318`. Empty: none are made."""

    SENTRY_DSN: str = ""
    """Empty: error tracking is off."""
    SENTRY_BROWSER_DSN: str = ""
    """DSN of a browser key, for the errors of pages; empty: theirs are not tracked."""
    SENTRY_ENVIRONMENT: str = ""
    SENTRY_RELEASE: str = ""
    SENTRY_TRACES_SAMPLE_RATE: float = Field(default=0.1, ge=0, le=1)
    SENTRY_PROFILES_SAMPLE_RATE: float = Field(default=0.1, ge=0, le=1)

    @model_validator(mode="after")
    def _production_has_a_secret_of_its_own(self) -> Self:
        if self.is_production and self.JWT_SECRET.get_secret_value() == DEVELOPMENT_SECRET:
            raise ValueError("JWT_SECRET must be set in production: `openssl rand -hex 32` makes one.")
        return self

    @property
    def is_production(self) -> bool:
        return self.PYTHON_ENV == "production"

    @property
    def environment(self) -> str:
        return self.SENTRY_ENVIRONMENT or self.PYTHON_ENV

    @property
    def release(self) -> str | None:
        """Such as `wwmaa-backend@1.0.0`: as set, else found from the deploy platform or git."""
        return self.SENTRY_RELEASE or find_release(APP_NAME)

    @property
    def pii_key(self) -> bytes:
        """Keys the hashes of e-mail addresses, user names and IP addresses; derived, so that it is not the token's key itself."""
        return hashlib.sha256(b"hashes of identities\0" + self.JWT_SECRET.get_secret_value().encode()).digest()


@lru_cache
def get_settings() -> Settings:
    return Settings()
