"""The store block: where videos, posters, provenance and the journal go."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Self, cast

from pydantic import ConfigDict, Field, HttpUrl, SecretStr, field_validator, model_validator

from prefect_seedance.blocks.aws import check_name, notices_of, options_of
from prefect_seedance.blocks.known_fields import KnownFieldsBlock
from prefect_seedance.blocks.location import asset_of, folder_notices, sound_location
from prefect_seedance.storage.errors import BadLocation, StorageIncomplete
from prefect_seedance.storage.s3.settings import SCHEME, Encryption, LoadedOptions, S3Options, S3Settings
from prefect_seedance.storage.templates import DEFAULT_TEMPLATE, check_template, example_key

# Prefect imports the blocks whenever a server or a worker starts. What only a run needs is loaded when it is asked for.
if TYPE_CHECKING:
    from prefect_seedance.journal.journal import Journal
    from prefect_seedance.pipeline.parties import Destination
    from prefect_seedance.storage.folder.store import FolderStore
    from prefect_seedance.storage.protocol import Store
    from prefect_seedance.storage.relay.policy import MediaPolicy

#: S3 signs links for a week at most.
_MOST_LINK_HOURS = 168

#: What this process has opened, by place and settings.
_destinations: dict[str, Destination] = {}
_journal_ids: dict[str, str] = {}


@cache
def _folder(location: str) -> FolderStore:
    from prefect_seedance.storage.folder.store import FolderStore

    return FolderStore(Path(location))


class VideoStore(KnownFieldsBlock):
    """Where generated videos are kept, with a poster and a record of where they came from.

    A folder, or a bucket of S3 or of a store that speaks S3. Without AWS settings the usual places are searched for
    credentials: environment, profile, the machine's role.

    Attributes:
        location: ``s3://bucket/prefix``, or a folder as an absolute path.
        key_template: Where in the store a video goes; must hold ``{task_id}`` or ``{intent}``.
        allow_media_hosts: Hosts of video links that may resolve to private addresses.
        ignored_link_parameters: Parameters of links that do not count for whether two requests are the same.
        allow_http_media: Take a video over plain http where its host offers no https.
        aws_credentials: A saved prefect-aws block, ``aws-credentials/NAME`` or ``minio-credentials/NAME``.
        endpoint_url: Address of an S3-compatible store; "" for AWS.
        region: Of the bucket; "" for the usual places.
        profile: Of the AWS configuration files.
        access_key_id: With `secret_access_key`.
        secret_access_key: With `access_key_id`; never shown.
        session_token: For temporary keys; never shown.
        path_style: Put the bucket into the path instead of the host name.
        encryption: On the server, ``AES256`` or ``aws:kms``; "" for the bucket's own default.
        kms_key_id: Key id, alias or ARN, with ``aws:kms``.
        storage_class: Of all objects but the journal's; "" for the bucket's own.
        tags: Of all objects but the journal's and the quarantine's, at most 10.
        acl: Of videos and posters, a canned one; "" for none.
        single_writer: Only one process at a time writes here; needed where the store ignores conditional writes.
        maximum_gigabytes: Largest video that is taken, in GiB.
        link_hours: How long a link on the run's page and in its notification plays the video, or opens the report of a
            batch; 0: no link.
        assets: Each new video materializes the store as a Prefect asset.
        allow_http_endpoint: Let the endpoint of another machine be plain http.

    Example:
        Load a saved store and see what it can do:
        ```python
        from prefect_seedance import VideoStore

        store = VideoStore.load("BLOCK_NAME")
        print(store.verify())
        ```
    """

    # A refused value may be a secret key.
    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name: ClassVar[str | None] = "Seedance Video Store"
    _block_type_slug: ClassVar[str | None] = "seedance-video-store"
    # Short: a form cuts off what is more.
    _description: ClassVar[str | None] = "Where generated videos are kept: a bucket that speaks S3, or a folder."
    # The logo of Prefect's own LocalFileSystem block: 256x256, in Prefect's repository at a fixed commit.
    _logo_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9"
        "/assets/block-logos/filesystem.png"
    )
    # What the form leaves to be looked up: where keys for a bucket come from.
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://docs.aws.amazon.com/boto3/latest/guide/credentials.html"
    )

    location: str = Field(
        title="Location",
        description="Where the videos go: s3://bucket/prefix for a bucket, or the absolute path of a folder, which "
        "begins with a slash. A relative path is refused, since the folder of a run may be temporary.",
    )
    key_template: str = Field(
        default=DEFAULT_TEMPLATE,
        title="Key template",
        description="Where in the store a video goes. These names in braces are filled in: {task_id}, {intent}, "
        "{request_digest}, {model}, {take}, {flow_run_name}, {name} for the name of a row of a manifest, "
        "and {created}, which takes a format of its own as in the default. The template must hold "
        "{task_id} or {intent}.",
    )
    allow_media_hosts: list[str] = Field(
        default=[],
        title="Allowed media hosts",
        description="Hosts of video links that may lead to private addresses, which is needed behind some proxies "
        "and with split DNS. Write the host alone, for example cdn.example.com, or .example.com for all "
        "hosts below it.",
    )
    ignored_link_parameters: list[str] = Field(
        default=[],
        title="Ignored link parameters",
        description="Names of query parameters in reference links that do not change what the link leads to, for "
        "example the signature of a service of your own. Requests whose links differ only in them ask "
        "for the same video. Well-known signatures are left out without being listed.",
    )
    allow_http_media: bool = Field(
        default=False,
        title="Allow plain http media",
        description="Download a video over plain http if its host does not offer it over https, which is tried "
        "first. Nothing on the way then proves that the bytes are the ones that the host has sent.",
    )
    aws_credentials: str = Field(
        default="",
        title="Saved AWS credentials",
        description="The name of a saved block of prefect-aws: aws-credentials/NAME or minio-credentials/NAME. Leave "
        "it empty to use the fields below, or what is found on the machine of the run.",
    )
    endpoint_url: str = Field(
        default="", title="Endpoint URL", description="The address of a store that speaks S3. Leave it empty for AWS."
    )
    region: str = Field(
        default="",
        title="Region",
        description="The region of the bucket. Leave it empty to use what is set on the machine of the run.",
    )
    profile: str = Field(
        default="",
        title="Profile",
        description="A profile of the AWS configuration files on the machine of the run. Leave it empty for the "
        "default one.",
    )
    access_key_id: str = Field(
        default="", title="Access key id", description="The id of an access key. Fill in the secret access key as well."
    )
    secret_access_key: SecretStr = Field(
        default=SecretStr(""), title="Secret access key", description="The secret of the access key whose id is above."
    )
    session_token: SecretStr = Field(
        default=SecretStr(""),
        title="Session token",
        description="The session token of temporary access keys. Leave it empty for permanent ones.",
    )
    path_style: bool = Field(
        default=False,
        title="Path style",
        description="Put the name of the bucket into the path of an address instead of its host name, as many stores "
        "other than AWS need it.",
    )
    encryption: Encryption = Field(
        default="",
        title="Encryption",
        description="How the store encrypts what it keeps. Leave it empty for the default of the bucket.",
    )
    kms_key_id: str = Field(
        default="",
        title="KMS key",
        description="The id, alias or ARN of the key for the encryption aws:kms. Leave it empty for the default key.",
    )
    storage_class: str = Field(
        default="",
        title="Storage class",
        description="The storage class of videos and of what lies beside them, for example STANDARD_IA. The journal "
        "never gets it. Leave it empty for the default of the bucket.",
    )
    tags: dict[str, str] = Field(
        default={},
        title="Tags",
        description="Tags of videos and of what lies beside them, each with its value. The journal and the "
        "quarantine never get them.",
    )
    acl: str = Field(
        default="",
        title="ACL",
        description="A canned ACL for videos and posters, for example bucket-owner-full-control. Leave it empty to "
        "send none.",
    )
    single_writer: bool = Field(
        default=False,
        title="Single writer",
        description="Switch this on only if one process at a time writes into this store. It is needed where the "
        "store ignores conditional writes: nothing then keeps two processes from paying for the same "
        "video.",
    )
    maximum_gigabytes: float = Field(
        default=2.0, gt=0, title="Largest video (GiB)", description="The largest video that is taken, in GiB."
    )
    link_hours: float = Field(
        default=0.0,
        title="Link lives (hours)",
        description="For how many hours, up to 168, a link on the run's page and in its notification plays the video "
        "or opens the report of a batch. Whoever has the link can use it. Links made with temporary "
        "credentials end sooner. Leave it at 0 for no links. Only stores in s3:// have them.",
        json_schema_extra={"minimum": 0, "maximum": _MOST_LINK_HOURS},
    )
    assets: bool = Field(
        default=False,
        title="Prefect asset",
        description="Record each new video as a materialization of this store as a Prefect asset, with the cost "
        "among its metadata. Prefect Cloud has pages for assets. A server of your own keeps the events.",
    )
    allow_http_endpoint: bool = Field(
        default=False,
        title="Allow a plain http endpoint",
        description="Allow an endpoint URL of another machine that begins with http://, in a private network.",
    )

    @field_validator("location")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return sound_location(value)

    @field_validator("key_template")
    @classmethod
    def _sound_template(cls, value: str) -> str:
        return check_template(value)

    @field_validator("allow_media_hosts")
    @classmethod
    def _matching_hosts(cls, value: list[str]) -> list[str]:
        if not value:
            return value
        from prefect_seedance.storage.relay.policy import allowed_host

        hosts: list[str] = []
        for number, name in enumerate(value, 1):
            try:
                hosts.append(allowed_host(name))
            except ValueError as error:
                raise ValueError(f"entry {number} of allow_media_hosts {error}") from None
        return list(dict.fromkeys(hosts))

    @field_validator("ignored_link_parameters")
    @classmethod
    def _bare_names(cls, value: list[str]) -> list[str]:
        names = [name.strip() for name in value]
        bad = next((name for name in names if not name or set(name) & set("?&=#/*")), None)
        if bad is not None:
            shown = bad.partition("=")[0]  # behind it may stand a signature
            raise ValueError(f"{shown!r} is not the name of a parameter; write the name alone, such as token")
        return names

    @field_validator("link_hours")
    @classmethod
    def _signable(cls, value: float) -> float:
        if 0 <= value <= _MOST_LINK_HOURS:
            return value
        raise ValueError(
            f"{value:g} is not a number of hours that S3 signs a link for: set from 0 (no link) to {_MOST_LINK_HOURS} "
            "(seven days)"
        )

    @field_validator("aws_credentials")
    @classmethod
    def _named_block(cls, value: str) -> str:
        return check_name(value)

    @model_validator(mode="after")
    def _sound_settings(self) -> Self:
        if self.assets:
            asset_of(self.location)
        given = [name for name in _S3_ONLY if getattr(self, name)]
        if not self.is_s3:
            if given:
                raise ValueError(f"{given[0]} is for s3:// locations, and {self.location} is a folder; empty it")
            return self
        if self.aws_credentials and (self.profile or self.access_key_id):
            raise ValueError("aws_credentials and keys or a profile exclude each other: keep one")
        # Without an endpoint of its own, the saved block may bring one: nothing is known yet of what a region may be.
        own = self._options()
        if self.aws_credentials and "endpoint_url" not in own:
            own.pop("region", "")
        S3Settings.from_location(self.location, **own)
        return self

    @property
    def is_s3(self) -> bool:
        """Whether the store is a bucket."""
        return self.location.startswith(SCHEME)

    @property
    def store_option(self) -> str:
        """What ``--store`` of the command line takes for this store.

        Its location, or the saved block where the location alone does not lead there: NAME if it is not saved.
        """
        if not any(getattr(self, name) for name in _WAY_THERE):
            return self.location
        return f"{self.get_block_type_slug()}/{self._block_document_name or 'NAME'}"

    @property
    def saved_name(self) -> str:
        """The name that it is saved under; "" if it is not saved."""
        return self._block_document_name or ""

    @property
    def place(self) -> str:
        """The location and, if set, where it is looked for: two services may each have a bucket of the same name."""
        service = self.endpoint_url or self.aws_credentials or self.profile  # the last two may bring an endpoint
        return f"{self.location} at {service}" if service else self.location

    def open(self) -> Store:
        """Open the store for reading and writing; the same one again within a process. Blocking."""
        if not self.is_s3:
            return _folder(self.location)
        from prefect_seedance.storage.s3.store import open_s3_store

        return open_s3_store(self.s3_settings())

    def s3_settings(self) -> S3Settings:
        """Return the settings of the bucket, with the keys of the saved block if one is named."""
        if not self.is_s3:
            raise BadLocation(self.location, "it is a folder, not a bucket.")
        loaded: LoadedOptions = options_of(self.aws_credentials) if self.aws_credentials else {}
        return S3Settings.from_location(self.location, **{**loaded, **self._options()})

    def destination(self) -> Destination:
        """Open the store with its journal, in the form that the pipeline takes; once per process. Blocking."""
        from prefect_seedance.journal.journal import Journal
        from prefect_seedance.pipeline.parties import Destination

        media = f"{sorted(self.allow_media_hosts)} {self.allow_http_media} {self.maximum_gigabytes}"
        key = f"{self.store_option} {self.key_template} {media}"
        store = self.open()
        found = _destinations.get(key)
        if found is None or found.store is not store:
            journal = Journal(store, store_option=self.store_option)
            found = _destinations[key] = Destination(store, journal, self.key_template, self.media_policy())
        return found

    def journal(self) -> Journal:
        """Open the journal of the store: what was intended, submitted and stored. Blocking."""
        return self.destination().journal

    def journal_id(self, *, expected: Mapping[str, str] = MappingProxyType({}), anew: bool = False) -> str:
        """Return the name that the journal got when it was made. Blocking.

        A bucket is asked once per process; a folder each time, since it may be a mount that comes and goes.

        Args:
            expected: By id, with their places, the journals of which it must be one, known from an earlier step or try
                of the run; none if any will do.
            anew: Ask the bucket again, as a retry does.

        Raises:
            JournalGone: It is another journal than expected, or none.
        """
        from prefect_seedance.journal.store_identity import identify_store

        known = _journal_ids.get(self.place, "") if self.is_s3 and not anew else ""
        if not known or (expected and known not in expected):
            known = _journal_ids[self.place] = identify_store(self.journal(), expected=expected)
        return known

    def media_policy(self) -> MediaPolicy:
        """Return where video links may lead, and how large a video may be."""
        from prefect_seedance.storage.relay.policy import MediaPolicy

        return MediaPolicy(
            allow_loopback=False,
            allow_http=self.allow_http_media,
            allow_hosts=frozenset(self.allow_media_hosts),
            maximum_bytes=int(self.maximum_gigabytes * 1024**3),
        )

    def check(self) -> list[str]:
        """Check, for free, that a video can be stored here and that no other run can pay for it as well.

        Returns:
            What a person should know, in words.

        Raises:
            StorageError: Something is missing; the message says what.
        """
        store = self.open()
        store.check_writable()
        store.require_conditions()
        store.check_place(example_key(self.key_template))
        if self.is_s3:
            return notices_of(self.aws_credentials) if self.aws_credentials else []
        return folder_notices(Path(self.location))

    def verify(self) -> str:
        """Try everything that the store will be asked to do, with probes that are deleted again.

        Returns:
            What was found, in words.

        Raises:
            StorageError: A permission or feature is missing; the message says which.
        """
        if self.is_s3:
            from prefect_seedance.storage.s3.store import open_s3_store
            from prefect_seedance.storage.s3.verification import verify_store

            missing = verify_store(open_s3_store(self.s3_settings()))
            if missing:
                raise StorageIncomplete(self.location, missing)
        return " ".join([f"{self.location} can be written.", *self.check()])

    def _options(self) -> S3Options:
        """Return what is set. What is empty must not hide what a saved block may bring."""
        fields = {option: getattr(self, option) for option in _S3_OPTIONS}
        return cast("S3Options", {option: value for option, value in fields.items() if value})


#: The options of a bucket, which are fields of the block under the same names.
_S3_OPTIONS = tuple(S3Options.__annotations__)
#: `single_writer` may be set for a folder too.
_S3_ONLY = ("aws_credentials", *(field for field in _S3_OPTIONS if field != "single_writer"))
#: Settings without which the location alone does not lead to the journal.
_WAY_THERE = tuple(field for field in _S3_ONLY if field not in ("storage_class", "tags", "acl"))
