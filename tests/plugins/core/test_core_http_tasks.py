"""Request, Download and the HTTP trigger, against a real server on this machine."""

from __future__ import annotations

import base64
import json
import socket
from threading import Thread

import pytest

from flows.plugin_api.egress import EgressError
from flows.plugin_api.fields import load_properties
from flows.plugin_api.tasks import TaskFailure
from plugins.core.http.download import Download
from plugins.core.http.request import Request, Trigger


def read(context, uri: str) -> bytes:
    with context.storage.open(uri) as stream:
        return stream.read()


def test_request_gives_code_headers_and_text(context, server):
    output = context.run(Request(), {"uri": f"{server.url}/echo"})

    assert (output["code"], output["uri"], json.loads(output["body"])["method"]) == (200, f"{server.url}/echo", "GET")
    assert output["headers"]["X-Seen"] == ["yes"]
    assert context.metrics.entries[0].name == "response.length"
    assert context.metrics.entries[0].tags == {"request.method": "GET", "response.code": "200"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"])
def test_request_uses_the_method(context, server, method):
    context.run(Request(), {"uri": f"{server.url}/echo", "method": method})

    assert server.requests[0].method == method


def test_request_sends_parameters_headers_and_body(context, server):
    context.run(
        Request(),
        {
            "uri": f"{server.url}/echo?a=0",
            "method": "POST",
            "params": {"b": ["x y", 2], "c": True},
            "headers": {"X-Flow": "{{ flow.id }}", "X-Number": 5},
            "body": "{{ {'id': 1} | toJson }}",
        },
    )

    seen = server.requests[0]
    assert seen.query == [("a", "0"), ("b", "x y"), ("b", "2"), ("c", "true")]
    assert (seen.headers["X-Flow"], seen.headers["X-Number"], seen.headers["Content-Type"]) == ("flow", "5", "application/json")
    assert json.loads(seen.body) == {"id": 1}


def test_request_sends_the_content_type_it_is_given(context, server):
    context.run(Request(), {"uri": f"{server.url}/echo", "method": "POST", "body": "<a/>", "contentType": "text/xml"})

    assert server.requests[0].headers["Content-Type"] == "text/xml"


def test_a_form_goes_before_a_body_and_is_url_encoded(context, server):
    output = context.run(
        Request(), {"uri": f"{server.url}/echo", "method": "POST", "body": "no", "formData": {"a": "x y", "n": 1}}
    )

    assert server.requests[0].body == b"a=x+y&n=1"
    assert server.requests[0].headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert output["formData"] == {"a": "x y", "n": 1}


def test_a_multipart_form_sends_stored_files_under_their_names(context, server):
    uri = context.storage.put(b"content of file", "f.txt")
    form = {"file": {"name": "given.txt", "content": uri}, "other": uri, "text": "plain", "list": [1, 2]}

    context.run(
        Request(), {"uri": f"{server.url}/echo", "method": "POST", "contentType": "multipart/form-data", "formData": form}
    )

    body = server.requests[0].body
    assert b'name="file"; filename="given.txt"' in body
    assert body.count(b"content of file") == 2
    assert b'name="text"\r\n\r\nplain' in body
    assert b'name="list"\r\n\r\n[1, 2]' in body
    assert server.requests[0].headers["Content-Type"].startswith("multipart/form-data; boundary=")


def test_a_status_of_404_fails_and_shows_the_answer(context, server):
    with pytest.raises(TaskFailure, match="404: nothing here"):
        context.run(Request(), {"uri": f"{server.url}/missing"})


@pytest.mark.parametrize(
    "allow", [{"allowFailed": True}, {"options": {"allowFailed": True}}, {"options": {"allowedResponseCodes": [404]}}]
)
def test_a_status_of_404_is_kept_when_allowed(context, server, allow):
    output = context.run(Request(), {"uri": f"{server.url}/missing", **allow})

    assert (output["code"], output["body"]) == (404, "nothing here")


def test_a_status_outside_the_allowed_ones_fails(context, server):
    with pytest.raises(TaskFailure, match="200"):
        context.run(Request(), {"uri": f"{server.url}/echo", "options": {"allowedResponseCodes": [201]}})


def test_request_fails_when_nobody_listens(context):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    with pytest.raises(TaskFailure, match="failed"):
        context.run(Request(), {"uri": f"http://127.0.0.1:{port}/", "allowFailed": True})


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "gopher://x/", "example.com/x", "http://", "kestra:///a"])
def test_request_refuses_what_is_no_web_address(context, uri):
    with pytest.raises(TaskFailure, match="uri"):
        context.run(Request(), {"uri": uri})


def test_a_body_that_is_no_text_fails_with_advice(context, server):
    with pytest.raises(TaskFailure, match="Download"):
        context.run(Request(), {"uri": f"{server.url}/latin"})


@pytest.mark.parametrize(("path", "options"), [("latin/named", {}), ("latin", {"defaultCharset": "ISO-8859-1"})])
def test_a_body_is_read_in_its_charset_or_the_default(context, server, path, options):
    assert context.run(Request(), {"uri": f"{server.url}/{path}", "options": options})["body"] == "é"


def test_a_body_beyond_the_limit_fails(make_context, server):
    context = make_context(config={"http.max-body-bytes": 50_000})

    with pytest.raises(TaskFailure, match="50000"):
        context.run(Request(), {"uri": f"{server.url}/large"})


def test_head_of_a_large_answer_is_no_fault(make_context, server):
    context = make_context(config={"http.max-body-bytes": 50_000})

    assert context.run(Request(), {"uri": f"{server.url}/large", "method": "HEAD"})["code"] == 200


def test_an_encrypted_body_is_not_given_in_clear(context, server):
    output = context.run(Request(), {"uri": f"{server.url}/echo", "encryptBody": True})

    assert "body" not in output
    assert output["encryptedBody"]["type"] == "io.kestra.datatype:aes_encrypted"


BASIC = "Basic " + base64.b64encode(b"ann:pw").decode()


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"auth": {"type": "BASIC", "username": "ann", "password": "pw"}}, BASIC),
        ({"basicAuthUser": "ann", "basicAuthPassword": "pw"}, BASIC),
        ({"basicAuthUser": "ann"}, "none"),
        ({"auth": {"type": "BEARER", "token": "t1"}}, "Bearer t1"),
    ],
)
def test_request_authenticates_as_its_options_say(context, server, options, sent):
    assert context.run(Request(), {"uri": f"{server.url}/login", "options": options})["body"] == sent


def test_a_password_in_the_address_is_used_but_not_shown(context, server):
    output = context.run(Request(), {"uri": f"http://ann:pw@127.0.0.1:{server.port}/login"})

    assert output["body"] == BASIC
    assert "pw" not in output["uri"]


@pytest.mark.parametrize("properties", [{"uri": "http://127.0.0.1:1/"}, {"uri": "{url}/missing"}])
def test_a_failure_does_not_show_credentials(context, server, properties):
    uri = properties["uri"].format(url=server.url).replace("http://", "http://ann:canary@")

    with pytest.raises(TaskFailure) as caught:
        context.run(Request(), {"uri": uri})

    assert "canary" not in str(caught.value)


def test_redirects_are_followed_when_not_told_otherwise(context, server):
    followed = context.run(Request(), {"uri": f"{server.url}/redirect/here"})
    kept = context.run(Request(), {"uri": f"{server.url}/redirect/here", "options": {"followRedirects": False}})

    assert (followed["code"], followed["uri"], kept["code"]) == (200, f"{server.url}/echo", 302)


def test_credentials_are_dropped_when_a_redirect_leads_to_another_host(context, server):
    options = {"auth": {"type": "BEARER", "token": "t1"}}

    context.run(Request(), {"uri": f"{server.url}/redirect/localhost", "options": options})
    context.run(Request(), {"uri": f"{server.url}/redirect/127.0.0.1", "options": options})

    assert ["Authorization" in request.headers for request in server.requests] == [True, False, True, True]


def test_more_than_five_redirects_fail(context, server):
    with pytest.raises(TaskFailure, match="more than 5 times"):
        context.run(Request(), {"uri": f"{server.url}/loop"})

    assert len(server.requests) == 6


@pytest.mark.parametrize("target", ["file", "meta"])
def test_a_redirect_to_a_forbidden_place_fails(context, server, target):
    with pytest.raises((TaskFailure, EgressError)):
        context.run(Request(), {"uri": f"{server.url}/elsewhere/{target}"})


def test_private_addresses_are_refused_where_the_server_says_so(make_context, server):
    context = make_context(config={"http.deny-private": True})

    with pytest.raises(EgressError, match=r"127\.0\.0\.1"):
        context.run(Request(), {"uri": f"{server.url}/echo"})

    assert server.requests == []


def test_the_request_goes_through_the_proxy(context, server):
    options = {"proxyAddress": "127.0.0.1", "proxyPort": server.port}

    context.run(Request(), {"uri": "http://127.0.0.1:1/echo", "options": options})

    assert server.requests[0].headers["Host"] == "127.0.0.1:1"


def test_what_the_options_name_is_logged_without_credentials(context, server):
    options = {
        "logs": ["REQUEST_HEADERS", "REQUEST_BODY", "RESPONSE_HEADERS", "RESPONSE_BODY"],
        "auth": {"type": "BEARER", "token": "canary"},
    }

    context.run(Request(), {"uri": f"{server.url}/echo", "method": "POST", "body": "the body", "options": options})

    text = "\n".join(context.log.messages())
    assert "canary" not in text
    assert all(part in text for part in ("POST", "Authorization: ******", "the body", "X-Seen: yes"))


def test_an_answer_that_takes_too_long_fails(context, server):
    with pytest.raises(TaskFailure, match="too long"):
        context.run(Request(), {"uri": f"{server.url}/slow", "options": {"timeout": {"readIdleTimeout": "PT0.1S"}}})


@pytest.mark.parametrize("task", [Request, Download])
def test_a_kill_breaks_a_request_that_waits(context, server, task):
    running = task()
    failures = []

    def run() -> None:
        try:
            context.run(running, {"uri": f"{server.url}/slow"})
        except TaskFailure as failure:
            failures.append(failure)

    thread = Thread(target=run)
    thread.start()
    server.reached.wait(10)
    running.kill()
    thread.join(10)

    assert not thread.is_alive()
    assert "killed" in failures[0].message


def test_a_request_killed_before_it_began_sends_nothing(context, server):
    task = Request()
    task.kill()

    with pytest.raises(TaskFailure):
        context.run(task, {"uri": f"{server.url}/echo"})

    assert server.requests == []


def test_download_stores_the_answer_under_the_name_it_announces(context, server):
    output = context.run(Download(), {"uri": f"{server.url}/file"})

    assert read(context, output["uri"]) == b"1,2"
    assert output["uri"].endswith("a%20b.csv")
    assert (output["code"], output["length"]) == (200, 3)


@pytest.mark.parametrize(("properties", "end"), [({}, ".json"), ({"saveAs": "../up/mine.txt"}, "-mine.txt")])
def test_download_takes_the_extension_of_the_address_or_the_given_name(context, server, properties, end):
    uri = context.run(Download(), {"uri": f"{server.url}/echo/data.json", **properties})["uri"]

    assert uri.endswith(end)


def test_download_of_an_empty_answer_fails(context, server):
    with pytest.raises(TaskFailure, match="no content"):
        context.run(Download(), {"uri": f"{server.url}/empty"})


@pytest.mark.parametrize("properties", [{"failOnEmptyResponse": False}, {"allowFailed": True}])
def test_download_of_an_empty_answer_warns_when_allowed(context, server, properties):
    output = context.run(Download(), {"uri": f"{server.url}/empty", **properties})

    assert output["length"] == 0
    assert len(context.log.messages("WARN")) == 1


def test_download_of_an_error_fails_unless_allowed(context, server):
    with pytest.raises(TaskFailure, match="404: nothing here"):
        context.run(Download(), {"uri": f"{server.url}/missing"})

    output = context.run(Download(), {"uri": f"{server.url}/missing", "allowFailed": True})
    assert read(context, output["uri"]) == b"nothing here"


def test_download_of_fewer_bytes_than_announced_fails(context, server):
    with pytest.raises(TaskFailure):
        context.run(Download(), {"uri": f"{server.url}/short"})


def test_download_unpacks_a_compressed_answer(context, server):
    output = context.run(Download(), {"uri": f"{server.url}/gzip"})

    assert read(context, output["uri"]) == b"unpacked"
    assert output["length"] == 8


def poll(context, properties):
    return Trigger().poll(context, load_properties(Trigger.Props, properties, context.render), {})


def test_the_trigger_fires_with_the_answer(context, server):
    result = poll(context, {"uri": f"{server.url}/echo"})

    assert (result.variables["code"], result.state) == (200, None)


def test_the_trigger_looks_at_any_status_through_its_condition(context, server):
    uri = f"{server.url}/missing"

    assert poll(context, {"uri": uri}).variables is None
    assert poll(context, {"uri": uri, "responseCondition": "{{ response.statusCode == 404 }}"}).variables["code"] == 404
    assert poll(context, {"uri": uri, "responseCondition": "{{ response.body contains 'gold' }}"}).variables is None


def test_the_trigger_can_keep_the_body_encrypted(context, server):
    variables = poll(context, {"uri": f"{server.url}/echo", "encryptBody": True}).variables

    assert "body" not in variables
    assert variables["encryptedBody"]["type"] == "io.kestra.datatype:aes_encrypted"


def test_the_trigger_fails_when_nobody_answers(context):
    with pytest.raises(TaskFailure):
        poll(context, {"uri": "http://127.0.0.1:1/"})
