"""Settings: one frozen object, read once. A wrong value names its variable and says what it accepts."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from kernel.errors import SettingError
from kernel.money import HOME, Currency

PREFIX = "OFFSHELF_"
SECRET_CHARACTERS = 32
UNSAID = ("secret", "database_url", "kv_url", "index_url", "public_url")
"""Settings whose values are not repeated: they may hold a password."""
ANY = ("0.0.0.0", "::")


class Settings(BaseModel):
    """Every setting is the environment variable `OFFSHELF_` + its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Annotated[Path, Field(description="the folder that keeps everything", validate_default=True)] = Path("var")
    host: Annotated[str, Field(description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="port to listen on, 0 to 65535; 0 for any free one")] = 8000
    public_url: Annotated[
        str, Field(description="https://HOST as browsers reach this server; empty: as they asked")
    ] = ""
    trusted_proxies: Annotated[
        int,
        Field(
            ge=0,
            le=10,
            description="how many proxies of yours stand in front, 0 to 10; 0 believes no X-Forwarded header",
        ),
    ] = 0
    jobs: Annotated[
        bool, Field(description="true or false: whether `offshelf serve` runs jobs, too; false beside `offshelf work`")
    ] = True
    job_threads: Annotated[int, Field(ge=1, le=32, description="how many slow jobs run at once, 1 to 32")] = 2
    database_url: Annotated[
        str,
        Field(
            pattern=r"^$|^(sqlite|postgresql)://",
            description="sqlite:///PATH or postgresql://...; empty: SQLite in the data folder",
        ),
    ] = ""
    kv_url: Annotated[
        str, Field(pattern=r"^(embedded|redis|rediss)://", description="embedded:// or redis://HOST:PORT/DB")
    ] = "embedded://"
    index_url: Annotated[
        str,
        Field(
            pattern=r"^(embedded|https?)://",
            description="embedded:// or https://USER:PASSWORD@HOST:PORT/ALIAS of an Elasticsearch 9",
        ),
    ] = "embedded://"
    encoder: Annotated[
        str, Field(description="multilingual-e5-small, hash, or a sentence-transformers model by name or path")
    ] = "multilingual-e5-small"
    time_zone: Annotated[str, Field(description="the business's time zone, as in the tz database")] = "Asia/Shanghai"
    currency: Annotated[Currency, Field(description="CNY, USD, EUR or JPY")] = HOME
    secret: Annotated[
        str,
        Field(description="key that signs sessions, 32 characters or more; empty: made and kept in the data folder"),
    ] = ""
    demo: Annotated[bool, Field(description="true or false: the demo's accounts and fake payment page")] = False
    max_body: Annotated[
        int, Field(ge=1024, le=2**30, description="largest request body in bytes, 1024 to 1073741824")
    ] = 8 * 2**20
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="DEBUG, INFO, WARNING or ERROR")
    ] = "INFO"
    log_format: Annotated[
        Literal["auto", "text", "json"], Field(description="text, json, or auto: text on a terminal, else json")
    ] = "auto"
    metrics: Annotated[
        Literal["loopback", "open", "off"],
        Field(description="loopback (to this machine alone), open or off: who may read /metrics"),
    ] = "loopback"
    rate_limits: Annotated[bool, Field(description="true or false: limits per person and time")] = True

    ingest_host: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9.:-]+$",
            description="address on which encoders may call; 0.0.0.0 or :: for any, under the name in OFFSHELF_PUBLIC_URL",
        ),
    ] = "127.0.0.1"
    ingest_ports: Annotated[
        str, Field(description="FIRST-LAST: UDP ports for encoders, one per room, from 1024 to 65535")
    ] = "9200-9299"

    @field_validator("data")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        """From here on no part of the program can take a relative path for another folder's, or stumble over one too long."""
        try:
            path = folder.expanduser().absolute()
        except RuntimeError:
            raise ValueError("nobody's home") from None
        try:
            path.exists()
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise ValueError("too long for the file system") from None
        return path

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("not in the tz database") from None
        return name

    @field_validator("public_url")
    @classmethod
    def _an_origin(cls, url: str) -> str:
        parts = urlsplit(url)  # ValueError for a port that is none
        if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0):
            raise ValueError("not an address")
        return url

    @field_validator("secret")
    @classmethod
    def _long_secret(cls, secret: str) -> str:
        if secret and len(secret) < SECRET_CHARACTERS:
            raise ValueError("shorter than 32 characters")
        return secret

    @field_validator("ingest_host")
    @classmethod
    def _says_where(cls, host: str, info: ValidationInfo) -> str:
        if host in ANY and not urlsplit(info.data.get("public_url", "")).hostname:
            raise ValueError("encoders cannot call a wildcard")
        return host

    @field_validator("ingest_ports")
    @classmethod
    def _a_range(cls, ports: str) -> str:
        if not _range(ports) or not 1024 <= _range(ports)[0] <= _range(ports)[-1] <= 65535:
            raise ValueError("not a range of ports")
        return ports

    @property
    def ingest_range(self) -> range:
        """The ports on which encoders may call."""
        return _range(self.ingest_ports)

    @property
    def ingest_name(self) -> str:
        """What encoders are told to call."""
        return urlsplit(self.public_url).hostname or "" if self.ingest_host in ANY else self.ingest_host

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def embedded(self) -> list[str]:
        """The variables whose engine one process owns alone; none where several processes may share the data folder."""
        engines = {"DATABASE_URL": self.sql_url, "KV_URL": self.kv_url, "INDEX_URL": self.index_url}
        return [PREFIX + name for name, url in engines.items() if url.startswith(("sqlite:", "embedded:"))]

    @property
    def sql_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data.absolute() / 'offshelf.db'}"


def _range(ports: str) -> range:
    first, _, last = ports.partition("-")
    return range(int(first), int(last) + 1) if first.isdecimal() and last.isdecimal() else range(0)


def read_settings(environ: Mapping[str, str], **overrides: object) -> Settings:
    """The settings of this process; `overrides` (command-line options) win. Raises `SettingError`."""
    values: dict[str, object] = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable.startswith(f"{PREFIX}TEST_"):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in Settings.model_fields:
            raise SettingError(
                f"{variable} is not a setting; known are {', '.join(PREFIX + n.upper() for n in Settings.model_fields)}."
            )
        values[name] = value
    values.update({name: value for name, value in overrides.items() if value is not None})
    for name, given in values.items():
        if isinstance(given, str) and any("\ud800" <= character <= "\udfff" for character in given):
            raise SettingError(f"{PREFIX}{name.upper()} cannot be used; it is no UTF-8.")
    try:
        return Settings(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        accepts = Settings.model_fields[name].description
        shown = "" if name in UNSAID else f" is {values[name]!r}, which"
        raise SettingError(f"{PREFIX}{name.upper()}{shown} cannot be used; it takes {accepts}.") from None
