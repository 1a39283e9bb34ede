"""What an attacker writes where a name, an id or a message is expected: one list for every test.

Each text aims at one reader: a terminal, a browser, Prometheus, Alertmanager's templates, a chat, a mail client.
`MARK` is in most of them, so that a test finds them again wherever they come out.
"""

from __future__ import annotations

from typing import Final

MARK: Final = "h0stile"

TEXTS: Final[dict[str, str]] = {
    "quotes": f'{MARK}"\'`"}} 1\nforged 2',
    "backslashes": f'{MARK}\\\\n\\"\\',
    "newlines": f"{MARK}\r\n\n# TYPE forged counter\nforged_total 7\n",
    "line_separators": f"{MARK}\u2028forged\u2029forged\x85forged\x0bforged\x0cforged\x1cforged",
    "controls": MARK + "".join(map(chr, (0, 1, 7, 8, 9, 0x1A, 0x7F, 0x80, 0x9F))),
    "ansi": f"{MARK}\x1b[2J\x1b]0;owned\x07\x1b[31mred\x9b2J\x1bP0;1|17/ab\x1b\\",
    "right_to_left": f"{MARK}\u202egpj.exe\u2066\u2069\u200f",
    "zero_width": f"{MARK}\u200b\u200c\u200d\u2060\ufeff\u00ad\U000e0041",
    "lone_surrogate": f"{MARK}\ud83d and \udc00",
    "long": MARK + "A" * 10_240,
    "long_twin": MARK + "A" * 10_239 + "B",
    "zero_width_twin": f"{MARK}\u200c\u200b\u200d\u2060\ufeff\u00ad\U000e0041",
    "combining": MARK + "Z" + "\u0351" * 500,
    "template": f'{MARK}{{{{ printf "%s" "executed" }}}}{{{{ .Labels }}}}{{{{ end }}}}{{{{ define "x" }}}}',
    "template_query": f'{MARK}{{{{ query "up" | first | value }}}}{{{{ $labels.instance }}}}$labels $value',
    "jinja": MARK + "{{ 7*7 }}{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "script": f"{MARK}<script>document.title='executed'</script>",
    "tag": f"{MARK}'\"><img src=x onerror=\"document.title='executed'\"><svg/onload=document.title='executed'>",
    "closing": f"{MARK}</script></style></textarea></title><!--<b>",
    "entity": f"{MARK}&lt;b&gt;&#60;script&#62;&amp;",
    "javascript": f"javascript:document.title='executed'//{MARK}",
    "markdown": f"{MARK}[click](javascript:alert(1)) ![x](http://attacker.invalid/x.png) # h\n\n| a | b |\n```\n",
    "slack": f"{MARK}<!channel> <!here> <@U012AB3CD> <http://attacker.invalid/|Acknowledge> *b* _i_ ~s~ `c`",
    "mail_header": f"{MARK}\r\nBcc: victim@attacker.invalid\r\n\r\nbody",
    "promql": f'{MARK}"}} or vector(1) or up{{x="',
    "regex": f"{MARK}.*|(a+)+$|[^\\x00]",
    "variable": f"{MARK}${{__all}}$__interval${{tenant:raw}}[[model]]",
    "reserved": "__name__",
    "overflow_value": "other",
    "number": "NaN",
    "path": f"../../../../etc/passwd%2f{MARK}\x00.yaml",
    "formula": f'=HYPERLINK("http://attacker.invalid","{MARK}")',
    "format": f"{MARK}%s%n%(x)s{{0.__class__}}",
    "shell": f"{MARK}$(touch executed)`touch executed`;|&",
    "emoji": f"{MARK}\U0001f468\u200d\U0001f469\u200d\U0001f467\U0001f3f4",
    "spaces": "   ",
    "empty": "",
}
