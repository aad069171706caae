"""Settings, from environment variables; see `/.env.example.sentry` for those of error tracking."""

import hashlib
from functools import lru_cache

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from ukemi.sdk import find_release

APP_NAME = "wwmaa-backend"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(case_sensitive=True, extra="ignore", frozen=True)

    PYTHON_ENV: str = "development"
    DATABASE_URL: str = "sqlite:///wwmaa.db"
    JWT_SECRET: SecretStr = Field(default=SecretStr("development-only-secret-of-32-bytes"), min_length=32)
    STRIPE_API_KEY: SecretStr = SecretStr("sk_test_not_a_real_key")
    STRIPE_API_BASE: str = "https://api.stripe.com"
    STRIPE_TIMEOUT_S: float = 5.0

    SENTRY_DSN: str = ""
    """Empty: error tracking is off."""
    SENTRY_BROWSER_DSN: str = ""
    """DSN of a browser key, for the errors of pages; empty: theirs are not tracked."""
    SENTRY_ENVIRONMENT: str = ""
    SENTRY_RELEASE: str = ""
    SENTRY_TRACES_SAMPLE_RATE: float = Field(default=0.1, ge=0, le=1)
    SENTRY_PROFILES_SAMPLE_RATE: float = Field(default=0.1, ge=0, le=1)

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
