"""Properties of HTTP requests, and the older flat spellings folded into the current ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from flows.plugin_api.fields import Duration, Field, Mark, Prop, Properties, Secret, Text

Method = Literal["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"]
LogPart = Literal["REQUEST_HEADERS", "REQUEST_BODY", "RESPONSE_HEADERS", "RESPONSE_BODY"]

_OLD = Mark(deprecated='Use the nested options "timeout", "proxy", "auth" and "ssl".')


class TimeoutOptions(Properties):
    """How long to wait."""

    connect_timeout: Prop[Duration] | None = None
    read_idle_timeout: Prop[Duration] | None = Field(default=None, description="Between two pieces of the answer; five minutes.")


class ProxyOptions(Properties):
    """The proxy to go through; address and port are both needed."""

    type: Prop[Literal["DIRECT", "HTTP", "SOCKS"]] = "DIRECT"
    address: Prop[str] | None = None
    port: Prop[int] | None = None
    username: Prop[str] | None = None
    password: Secret[str] | None = None


class AuthOptions(Properties):
    """How to authenticate."""

    type: Prop[Literal["BASIC", "BEARER"]]
    username: Prop[str] | None = None
    password: Secret[str] | None = None
    token: Secret[str] | None = None


class SslOptions(Properties):
    """How to check certificates."""

    insecure_trust_all_certificates: Prop[bool] = Field(default=False, description="True checks nothing. Only for tests.")


class HttpOptions(Properties):
    """Options of the HTTP client."""

    timeout: TimeoutOptions | None = None
    proxy: ProxyOptions | None = None
    auth: AuthOptions | None = None
    ssl: SslOptions | None = None
    follow_redirects: Prop[bool] = Field(default=True, description="Follow at most five redirects.")
    default_charset: Prop[str] = Field(default="UTF-8", description="Used when the answer names none.")
    allow_failed: Prop[bool] = Field(default=False, description="Statuses of 400 and more do not fail the task.")
    allowed_response_codes: Prop[list[int]] | None = Field(default=None, description="Other statuses fail the task.")
    logs: Prop[list[LogPart]] = Field(default=[], description="What is written to the log.")
    connect_timeout: Annotated[Prop[Duration] | None, _OLD] = None
    read_timeout: Annotated[Prop[Duration] | None, _OLD] = None
    read_idle_timeout: Annotated[Prop[Duration] | None, _OLD] = None
    connection_pool_idle_timeout: Annotated[Prop[Duration] | None, _OLD] = None
    max_content_length: Annotated[Prop[int] | None, Mark(deprecated="The limit is a setting of the server.")] = None
    proxy_type: Annotated[Prop[Literal["DIRECT", "HTTP", "SOCKS"]] | None, _OLD] = None
    proxy_address: Annotated[Prop[str] | None, _OLD] = None
    proxy_port: Annotated[Prop[int] | None, _OLD] = None
    proxy_username: Annotated[Prop[str] | None, _OLD] = None
    proxy_password: Annotated[Secret[str] | None, _OLD] = None
    basic_auth_user: Annotated[Prop[str] | None, _OLD] = None
    basic_auth_password: Annotated[Secret[str] | None, _OLD] = None
    log_level: Annotated[Prop[str] | None, Mark(deprecated='Use "logs".')] = None


class RequestProperties(Properties):
    """Properties that Request, Download and Trigger share."""

    uri: Prop[str] = Field(description="Absolute address, http or https.")
    method: Prop[Method] = "GET"
    params: Prop[dict[str, Any]] | None = Field(default=None, description="Query parameters; a list repeats the key.")
    body: Prop[str] | None = Field(default=None, description="Sent as it is; `formData` goes before it.")
    form_data: Prop[dict[str, Any]] | None = Field(
        default=None, description="Fields of a form; with contentType multipart/form-data stored files are sent as files."
    )
    content_type: Prop[str] | None = Field(default=None, description="application/json for a body when absent.")
    headers: Prop[dict[str, Text | list[Text] | None]] | None = None
    options: HttpOptions = HttpOptions()
    ssl_options: Annotated[SslOptions | None, Mark(deprecated='Use "ssl" of the options.')] = None


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The options of one request after old and new spellings were joined. Times are seconds."""

    connect_seconds: float
    read_seconds: float
    proxy_url: str | None
    proxy_auth: tuple[str, str] | None
    basic_auth: tuple[str, str] | None
    bearer_token: str | None
    is_trusting: bool


_DEFAULT_CONNECT = timedelta(seconds=30)
_DEFAULT_READ = timedelta(minutes=5)


def join_options(props: RequestProperties) -> ClientSettings:
    """Return the settings of the client; the nested spelling goes before the flat one."""
    options = props.options
    timeout = options.timeout or TimeoutOptions()
    connect = timeout.connect_timeout or options.connect_timeout or _DEFAULT_CONNECT
    read = timeout.read_idle_timeout or options.read_idle_timeout or options.read_timeout or _DEFAULT_READ
    proxy_url, proxy_auth = _join_proxy(options)
    user, password, token = _join_auth(options)
    return ClientSettings(
        connect_seconds=connect.total_seconds(),
        read_seconds=read.total_seconds(),
        proxy_url=proxy_url,
        proxy_auth=proxy_auth,
        basic_auth=(user, password) if user is not None and password is not None else None,
        bearer_token=token,
        is_trusting=any(ssl is not None and ssl.insecure_trust_all_certificates for ssl in (options.ssl, props.ssl_options)),
    )


def _join_proxy(options: HttpOptions) -> tuple[str | None, tuple[str, str] | None]:
    proxy = options.proxy or ProxyOptions.model_validate(
        {
            "type": options.proxy_type or ("HTTP" if options.proxy_address else "DIRECT"),
            "address": options.proxy_address,
            "port": options.proxy_port,
            "username": options.proxy_username,
            "password": options.proxy_password,
        }
    )
    if proxy.type == "DIRECT" or proxy.address is None or proxy.port is None:
        return None, None
    scheme = "socks5" if proxy.type == "SOCKS" else "http"
    auth = (proxy.username, proxy.password or "") if proxy.username is not None else None
    return f"{scheme}://{proxy.address}:{proxy.port}", auth


def _join_auth(options: HttpOptions) -> tuple[str | None, str | None, str | None]:
    if options.auth is None:
        return options.basic_auth_user, options.basic_auth_password, None
    if options.auth.type == "BEARER":
        return None, None, options.auth.token
    return options.auth.username, options.auth.password or "", None
