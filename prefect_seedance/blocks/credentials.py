"""The credentials block: a key, a host, and a label for the account that pays."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from prefect.blocks.abstract import CredentialsBlock
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, ValidationInfo, field_validator, model_validator

from prefect_seedance.blocks.known_fields import KnownFieldsBlock
from prefect_seedance.client.errors import ConfigurationError
from prefect_seedance.client.settings import (
    DEFAULT_BASE_URL,
    ClientSettings,
    Timeouts,
    checked_api_key,
    checked_base_url,
)

# Prefect imports the blocks whenever a server or a worker starts. What only a run needs is loaded when it is asked for.
if TYPE_CHECKING:
    from prefect_seedance.client.async_client import AsyncSeedanceClient
    from prefect_seedance.client.models import UserBalance
    from prefect_seedance.client.sync_client import SeedanceClient
    from prefect_seedance.pipeline.parties import Account

_ENVIRONMENT: dict[str, tuple[str, Callable[[str], object]]] = {
    "api_key": ("JIMMYAI_API_KEY", checked_api_key),
    "base_url": ("JIMMYAI_BASE_URL", checked_base_url),
}

#: Said of each budget: where its count is kept decides what it holds for.
_PER_STORE = "Without a budget store this holds for each store by itself."
_MOST_VIDEOS = 1_000_000_000
_STORE_SLUG = "seedance-video-store/"
#: What Prefect takes for the name of a block.
_BLOCK_NAME = re.compile("[a-z0-9-]+")


class SeedanceCredentials(KnownFieldsBlock, CredentialsBlock):
    """Key and host of the JimmyAI open API, which generates Seedance videos.

    A missing ``api_key`` or ``base_url`` is taken from ``JIMMYAI_API_KEY`` and ``JIMMYAI_BASE_URL``.

    Attributes:
        api_key: The key from the vendor's console.
        base_url: The vendor's host.
        account: A label for the account that pays, part of the identity of every video.
        connect_timeout_seconds: Longest wait for a connection.
        read_timeout_seconds: Longest silence of the vendor while it answers.
        submit_timeout_seconds: Longest time that one submission may take in all.
        prices: What this account pays, where it is not what the vendor's public catalog says.
        daily_budget: Coins that may be spent a day; 0 for no limit.
        monthly_budget: Coins that may be spent a month; 0 for no limit.
        daily_videos: Videos that may be bought a day; 0 for no limit.
        budget_store: Name of the saved store that keeps count for all stores; "" for a count per store.

    Example:
        Load saved credentials and ask for the balance:
        ```python
        from prefect_seedance import SeedanceCredentials

        credentials = SeedanceCredentials.load("BLOCK_NAME")
        with credentials.get_client() as client:
            print(client.user_balance())
        ```
    """

    # A refused value may be a key with a typing error: pydantic must not print it.
    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name: ClassVar[str | None] = "Seedance Credentials"
    _block_type_slug: ClassVar[str | None] = "seedance-credentials"
    # Short: a form cuts off what is more.
    _description: ClassVar[str | None] = "Key and address of the JimmyAI open API, which generates Seedance videos."
    # The logo of Prefect's own Secret block: 256x256, in Prefect's repository at a fixed commit.
    _logo_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9"
        "/assets/block-logos/secret.png"
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://docs.jimmyai.cn/en/api-reference/seedance/mini-sp/create"
    )

    api_key: SecretStr = Field(
        title="API key", description="The key from the vendor's console. It begins with sk_ or sk-."
    )
    base_url: str = Field(
        default=DEFAULT_BASE_URL,
        title="Base URL",
        description="The address of the vendor. It must begin with https://. Only a simulator on this machine may "
        "have http://.",
    )
    account: str = Field(
        default="default",
        title="Account",
        description="A label for the account that pays. It is part of every video's identity: the same request under "
        "another label is another video, which is paid for. Keep it when you change the key or the "
        "address.",
        min_length=1,
        max_length=100,
    )
    connect_timeout_seconds: float = Field(
        default=Timeouts().connect,
        gt=0,
        title="Connect time-out (seconds)",
        description="The longest wait for a connection to the vendor.",
    )
    read_timeout_seconds: float = Field(
        default=Timeouts().read,
        gt=0,
        title="Read time-out (seconds)",
        description="The longest time that the vendor may be silent while it answers.",
    )
    submit_timeout_seconds: float = Field(
        default=Timeouts().total,
        gt=0,
        title="Submission time-out (seconds)",
        description="The longest time that one submission may take in all. Keep it above 100 seconds, which the "
        "vendor allows itself.",
    )
    prices: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default={},
        title="Prices",
        description="What your account pays in coins, where that is not what the vendor's public catalog says. Write "
        "the price of a model, or of a model and a resolution, per second or per task as the model "
        'bills. For example {"seedance2.0-mini 480p": 0.03, "sd2_mx_720p": 0.06}. For a model that the '
        'form does not list, write after its name what is paid for, for example "new-model per second".',
    )
    daily_budget: float = Field(
        default=0.0,
        title="Daily budget (coins)",
        description="How many coins this account may spend a day, in UTC. A video that does not fit is not "
        f"submitted, and nothing is paid for it. Leave it at 0 for no limit. {_PER_STORE}",
        json_schema_extra={"minimum": 0},
    )
    monthly_budget: float = Field(
        default=0.0,
        title="Monthly budget (coins)",
        description="How many coins this account may spend in a calendar month, in UTC. Leave it at 0 for no limit. "
        f"{_PER_STORE}",
        json_schema_extra={"minimum": 0},
    )
    daily_videos: int = Field(
        default=0,
        title="Videos a day",
        description="How many videos this account may buy a day, in UTC, whatever they cost. Leave it at 0 for no "
        f"limit. {_PER_STORE}",
        json_schema_extra={"minimum": 0},
    )
    budget_store: str = Field(
        default="",
        title="Budget store",
        description="The name of a saved Seedance Video Store whose journal counts what is spent in all stores that "
        "these credentials are used with. Leave it empty to have each store count by itself: the budgets "
        "above then hold for each store, so that two stores may spend twice as much. Every run must be "
        "able to write to the store that is named here.",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_environment(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        filled = cast("dict[str, Any]", values).copy()
        for field, (variable, check) in _ENVIRONMENT.items():
            if field not in filled and (value := os.environ.get(variable)):
                try:
                    check(value)
                except ConfigurationError as error:
                    raise ValueError(f"{variable} in the environment is taken as {error}") from None
                filled[field] = value
        if "api_key" not in filled:
            raise ValueError("api_key is missing: pass the vendor's key, or set JIMMYAI_API_KEY")
        if isinstance(filled["api_key"], str):
            filled["api_key"] = SecretStr(filled["api_key"])
        return filled

    @field_validator("api_key")
    @classmethod
    def _whole_key(cls, value: SecretStr) -> SecretStr:
        return checked_api_key(value)

    @field_validator("base_url")
    @classmethod
    def _usable_host(cls, value: str) -> str:
        return checked_base_url(value)

    @field_validator("prices", mode="before")
    @classmethod
    def _numbers_only(cls, value: object) -> object:
        listed = cast("dict[object, object]", value) if isinstance(value, dict) else {}
        if any(isinstance(coins, bool) for coins in listed.values()):
            raise ValueError("prices: true or false is not a price; write a number of coins, such as 0.03")
        return cast("object", value)

    @field_validator("prices")
    @classmethod
    def _known_prices(cls, value: dict[str, float]) -> dict[str, float]:
        if value:
            from prefect_seedance.client.request.prices import read_own_prices

            read_own_prices(value)
        return value

    @field_validator("daily_budget", "monthly_budget", mode="before")
    @classmethod
    def _sum_of_coins(cls, value: object, info: ValidationInfo) -> object:
        # Text too, though it may hold a number: what is saved must mean the same to whoever reads it.
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= sys.float_info.max:
            return value
        raise ValueError(
            f"{info.field_name} is not a number of coins, 0 or more; write a number, such as 20, or 0 for no limit"
        )

    @field_validator("daily_videos", mode="before")
    @classmethod
    def _number_of_videos(cls, value: object) -> object:
        number = -1.0 if isinstance(value, bool) or not isinstance(value, int | float) else value
        if 0 <= number <= _MOST_VIDEOS and not number % 1:
            return int(number)
        raise ValueError(
            f"daily_videos is not a whole number from 0 to {_MOST_VIDEOS}; write one, such as 100, or 0 for no limit"
        )

    @field_validator("budget_store", mode="before")
    @classmethod
    def _name_of_a_store(cls, value: object) -> object:
        name = value.strip().removeprefix(_STORE_SLUG) if isinstance(value, str) else None
        if name == "" or (name is not None and _BLOCK_NAME.fullmatch(name)):
            return name
        raise ValueError(
            "budget_store is not the name of a saved store; write the name under which a Seedance Video Store is "
            "saved, such as catalogue (small letters, digits and hyphens), or leave it empty for a budget per store"
        )

    @property
    def timeouts(self) -> Timeouts:
        """The time-outs in the client's form."""
        return Timeouts(
            connect=self.connect_timeout_seconds,
            read=self.read_timeout_seconds,
            total=self.submit_timeout_seconds,
        )

    @property
    def settings(self) -> ClientSettings:
        """What the client needs to know, checked."""
        return ClientSettings(self.api_key, self.base_url, self.timeouts)

    @property
    def fingerprint(self) -> str:
        """Short hash of key and host: the only thing of them that may reach a log or a record."""
        return self.settings.fingerprint

    def vendor_account(self) -> Account:
        """Return who pays, in the form that the pipeline takes.

        Its budget store is not opened, which takes the Prefect server: where something may be paid or settled it is
        asked for by `runs.money.accounts.account_of`.
        """
        from prefect_seedance.client.request.prices import read_own_prices
        from prefect_seedance.journal.budget.limits import Limits
        from prefect_seedance.pipeline.parties import Account

        limits = Limits(self.daily_budget, self.monthly_budget, self.daily_videos)
        return Account(self.settings, self.account, read_own_prices(self.prices), limits)

    def get_client(self) -> SeedanceClient:
        """Make a client for synchronous code; use it as a context manager."""
        from prefect_seedance.client.sync_client import SeedanceClient

        return SeedanceClient(self.api_key, self.base_url, timeout=self.timeouts)

    def get_async_client(self) -> AsyncSeedanceClient:
        """Make a client for asynchronous code; use it as an async context manager."""
        from prefect_seedance.client.async_client import AsyncSeedanceClient

        return AsyncSeedanceClient(self.api_key, self.base_url, timeout=self.timeouts)

    def verify(self) -> UserBalance:
        """Ask for the account's balance, which is free: key and host work when it answers.

        Raises:
            SeedanceError: The key, the host or the network is at fault; the message says which.
        """
        with self.get_client() as client:
            return client.user_balance()
