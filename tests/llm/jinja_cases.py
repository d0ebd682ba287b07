#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes jinja_cases.json: templates, variables, and what Python's jinja2 makes of them.

    python3 tests/llm/jinja_cases.py       (needs jinja2; run from the repository root)

Settings are those chat templates are written for: trim_blocks, lstrip_blocks, loop controls,
a sandbox without mutation, tojson as plain json.dumps."""
import datetime
import json

import jinja2
import jinja2.ext
import jinja2.sandbox


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_same"), [], [], body).set_lineno(line)

    def _same(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


env = jinja2.sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
env.filters["tojson"] = tojson
env.globals["raise_exception"] = raise_exception
env.globals["strftime_now"] = lambda f: datetime.datetime(2024, 7, 26, 12, 30, 5).strftime(f)

U = lambda s, **k: dict(role="user", content=s, **k)
A = lambda s, **k: dict(role="assistant", content=s, **k)
S = lambda s: dict(role="system", content=s)
TOOLS = [{"type": "function", "function": {
    "name": "get_weather", "description": "Current weather in a \"city\"",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "City, e.g. Zürich"},
        "unit": {"type": "string", "enum": ["C", "F"]}}, "required": ["city"]}}}]
CALL = [{"type": "function", "id": "call_1x2y3z4w5", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2, "t": 1.5}}}]
CHAT = [S("Be brief."), U("Hi there!"), A("Hello."), U("  How are you? \n")]
PLAIN = [U("Hi there!"), A("Hello."), U("Bye")]
TOOLCHAT = [S("Use tools."), U("Weather?"), A(None, tool_calls=CALL), dict(role="tool", name="get_weather", content='{"t": 21}'), A("21 degrees."), U("Thanks")]
BASE = dict(bos_token="<s>", eos_token="</s>", add_generation_prompt=True)

cases = []


def case(name, template, **variables):
    out = {"name": name, "template": template, "vars": variables}
    try:
        out["expect"] = env.from_string(template).render(**variables)
    except jinja2.exceptions.TemplateSyntaxError:
        out["error"] = "syntax"
    except Exception:
        out["error"] = "render"
    cases.append(out)


def expressions():
    v = dict(n=7, f=2.5, s="Hello, Wörld", e="", l=[3, 1, 2], d={"b": 1, "a": [1, 2], "c": {"x": None}}, t=True,
             people=[{"name": "Bo", "age": 30, "on": True}, {"name": "al", "age": 25, "on": False}, {"name": "Cy", "age": 30}], z=None)
    for i, x in enumerate("""
        1 + 2 * 3 - 4 | 7 // 2 | -7 // 2 | -7 % 3 | 7 % -3 | 7 / 2 | 6 / 2 | 2 ** 10 | 2 ** 3 ** 2 | -2 ** 2 | 2 ** -1
        1.5 + 1 | 0.1 + 0.2 | 1e16 | 1e-5 | 100000000000000000.0 | 1.0 | 1_000 | 3.0 * 2 | 7.5 // 2 | -7.5 % 2
        n > 3 and n < 10 | 1 < n < 5 | 1 < n <= 7 | n == 7.0 | not n | not (n == 7) | n != 7 or t | t and e | e or 'x' | none or 0
        'a' ~ 1 ~ none ~ true ~ 1.5 ~ [1, 'b'] ~ undefinedvar | 'ab' + 'cd' | 'ab' * 3 | [1] + [2, 3] | [0] * 3 | 'x' 'y' "z"
        'ell' in s | 'zz' in s | 'zz' not in s | 2 in l | 9 in l | 'a' in d | 'q' in d | not 'a' in d | 1 in undefinedvar
        s[0] | s[-1] | s[8] | s[1:4] | s[:-2] | s[::-1] | s[::2] | s[7:] | s[5:2] | s[100:] | l[1:] | l[::-1] | l[-1] | l[0:2] | l[9] | s[99]
        d.a | d['a'] | d.a[1] | d.c.x | d.q | d['q'] is defined | d.q is undefined | d.items() | list | d.keys() | list | d.values() | list | d | l | (1, 2) | (1,) | () | []  | {} | {'k': 'it\\'s', 'j': "a\\"b'c"}
        d.get('b') | d.get('q') | d.get('q', 5) | d.items() | list | people.0.name | people[0]['name']
        'yes' if t else 'no' | 'yes' if e | 'a' if e else 'b' if z else 'c' | (1 if t else 2) + 3
        s | upper | s | lower | s | length | s | title | s | capitalize | s.title() | s.upper() | s.lower() | s.capitalize() | 'they\\'re bill-ed x' | title | "they're bill-ed" .title()
        '  a b  ' | trim ~ '|' | ' x '.strip() ~ '|' | ' x '.lstrip() ~ '|' | ' x '.rstrip() ~ '|' | 'xxaxx'.strip('x') | 'abcba'.lstrip('ab') | '\\n\\t x\\u00a0'.strip() | 'xya'.strip('yx')
        'a,b,c'.split(',') | 'a,b,c'.split(',', 1) | ' a  b '.split() | 'a b  c '.split(none, 1) | 'a,b,c'.rsplit(',', 1) | 'a\\nb\\r\\nc\\n'.splitlines() | ''.split(',') | ''.split()
        'hello'.startswith('he') | 'hello'.endswith(('x', 'lo')) | 'hello'.replace('l', 'L') | 'hello'.replace('l', 'L', 1) | 'ab'.replace('', '-') | 'hello' | replace('l', 'L') | 'a.b' | replace('.', '')
        'hello'.find('l') | 'hello'.rfind('l') | 'hello'.find('z') | 'hello'.count('l') | 'wörld'.find('d') | '-'.join(['a', 'b']) | 'prefix-x'.removeprefix('prefix-') | 'x.txt'.removesuffix('.txt') | 'hello'.index('l')
        '12'.isdigit() | 'a1'.isalnum() | ''.isdigit() | 'ab'.isalpha() | ' '.isspace() | 'AB'.isupper() | 'aB'.islower()
        l | first | l | last | [] | first | l | join('-') | l | join | l | sort | l | sort(reverse=true) | ['b', 'A', 'c'] | sort | ['b', 'A', 'c'] | sort(case_sensitive=true) | l | reverse | list | s | reverse | l | sum | l | max | l | min | [1, 1, 2] | unique | list | ['a', 'A'] | unique | list
        people | map(attribute='name') | list | people | map(attribute='name') | join(', ') | people | selectattr('age', 'equalto', 30) | map(attribute='name') | list | people | selectattr('on') | list | length | people | rejectattr('on') | map(attribute='name') | list | people | selectattr('on', 'defined') | list | length | people | sort(attribute='age') | map(attribute='name') | list | people | sum(attribute='age') | people | map(attribute='on', default='-') | list
        [1, 2, 3, 4] | select('odd') | list | [1, 2, 3, 4] | reject('odd') | list | [1, 2, 3, 4] | select('gt', 2) | list | [0, 1, ''] | select | list | ['a', 'b'] | map('upper') | list | ['a', 'b'] | map('replace', 'a', 'c') | list | l | map('string') | join('+') | [1, 2, 3, 4, 5] | batch(2) | list | [1, 2, 3] | batch(2, 0) | list
        d | tojson | d | tojson(indent=2) | l | tojson | 'q"\\\\\\n\\tü€😀\\u0001' | tojson | 'ü😀' | tojson(ensure_ascii=true) | 1.0 | tojson | 1e100 | tojson | none | tojson | true | tojson | d | tojson(separators=(',', ':')) | d | tojson(sort_keys=true) | [] | tojson(indent=4) | {} | tojson | [[], {}] | tojson(indent=1)
        d | dictsort | list | {'b': 1, 'A': 2} | dictsort | list | {'b': 1, 'A': 2} | dictsort(by='value', reverse=true) | d | items | list | d | length | d | list | l | string | 5 | string | '7' | int + 1 | '7.9' | int | 'x' | int | 'x' | int(3) | 7.9 | int | '1.5' | float | 'x' | float | 2.567 | round(2) | 2.5 | round | 3.5 | round | 2.4 | round(0, 'ceil') | -3 | abs | -3.5 | abs | -1 | abs
        undefinedvar | default('x') | e | default('x') | e | default('x', true) | z | default('x') | z | d('x', true) | undefinedvar | d ~ '.'
        'a\\nb\\n\\nc' | indent | 'a\\nb\\n\\nc' | indent(2) | 'a\\nb\\n\\nc' | indent(2, true) | 'a\\nb\\n\\nc' | indent(2, true, true) | 'a\\nb' | indent('> ') | 'a\\n' | indent ~ '|' | '<a href="x">\\'&' | escape | 'x y  z' | wordcount | 'abc' | list | 'abc' | first
        n is defined | q is defined | q is not defined | z is none | z is not none | s is string | n is number | n is integer | f is float | f is integer | t is boolean | t is true | t is false | d is mapping | l is mapping | l is sequence | s is sequence | d is sequence | n is iterable | l is iterable | 7 is odd | 7 is even | 9 is divisibleby 3 | 9 is divisibleby(2) | n is eq 7 | n is equalto(7) | n is ne 7 | n is gt 3 | n is lt(3) | 2 is in l | 'x' is in 'xyz' | 'abc' is lower | 'ABC' is upper | n is sameas 7 | range is callable | n is not odd | s is string and n is number | q is defined or t
        range(3) | list | range(1, 8, 3) | list | range(3, 0, -1) | list | range(0) | list | dict(a=1, b='x') | namespace(a=1).a | dict({'a': 1}, b=2) | range(5)[2] | range(10)[2:4] | list
        1 == true | 0 == false | '1' == 1 | none == none | [1, 2] == [1, 2] | {'a': 1} == {'a': 1} | (1, 2) == [1, 2] | 'a' < 'b' | [1, 2] < [1, 3] | true + true | q == none | q == q2
        strftime_now('%d %b %Y') | strftime_now('%Y-%m-%d %H:%M') | 'ß' | upper | 'ÀÉ' | lower | 'x'.y | 'x'.y is defined | loop is defined | True | False | None | 'tab\\tx' | '\\x41\\u00e9\\q' | "a'b" | ["a'b"] | ['a"b', "c'\\"d", 'n\\nl', 'ü']
        1 / 0 | 'a' + 1 | q.x | q.x.y | q + 1 | none.x | none | length | 5 | length | q() | 'a' < 1 | n() | s.foo() | {}.a.b | 'a'.split('') | 5 | join | d | first | l | attr('x') | l.append(4) | raise_exception('no')
        """.replace(" | \n", "\n").split("\n")):
        for k, e in enumerate(split(x)):
            case("expression %d.%d: %s" % (i, k, e), "{{ " + e + " }}", **v)
    for i, e in enumerate(["-1 | abs", "- 1 | abs", "2 - -1", "+3", "not not n", "n if n > 5 else 0", "[1, 2][0]", "{'a': 1}['a']", "{'a': {'b': 2}}.a.b", "(n)", "((1, 2), 3)",
                           "s.split(',')[1].strip() | upper", "(s | length) > 3", "s | length > 3", "d['c']['x'] is none", "[n, f, ] | length", "l | sort | first", "l|map('abs')|list", "(1, 2)[0]",
                           "'%s' is string", "n is number and f is float", "'a' ~ ('b' if t else 'c')", "not n is defined", "n in [7] and t", "1 if t else 2 if e else 3", "people[0].name ~ people[-1]['name']",
                           "d.items() | map('first') | list", "'a' 'b' ~ 'c'", "[[1, 2], [3]] | map('last') | list", "people | selectattr('name', 'in', ['Bo', 'Cy']) | map(attribute='age') | list", "s is not string", "namespace(x=1, y=2).y", "x.y.z"]):
        case("more %d: %s" % (i, e), "{{ " + e + " }}", **v)


def split(line):
    """Parts between ' | ' that are whole expressions: a filter's name never begins one here unless it
    follows a value, so parts that are filters are joined to what they follow."""
    filters = set(env.filters) | {"tojson"}
    parts, out = line.strip().split(" | "), []
    for p in parts:
        head = p.split("(")[0].split(" ")[0].split("[")[0]
        if out and head in filters and head not in ("d",) and p.split(" ")[0] not in ("dict(a=1,",):
            out[-1] += " | " + p
        elif out and p.startswith("d('"):
            out[-1] += " | " + p
        elif p:
            out.append(p)
    return out


def statements():
    v = dict(l=[1, 2, 3], d={"a": 1, "b": 2}, t=True, s="x", nested=[[1, 2], [3, 4]], e=[])
    for i, t in enumerate([
        "{% if t %}yes{% endif %}", "{% if not t %}a{% elif s == 'x' %}b{% else %}c{% endif %}", "{% if q %}a{% else %}b{% endif %}",
        "{% for x in l %}{{ x }},{% endfor %}", "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }};{% endfor %}",
        "{% for x in l if x != 2 %}{{ loop.index }}:{{ x }}/{{ loop.length }} {% else %}none{% endfor %}", "{% for x in e %}a{% else %}none{% endfor %}", "{% for x in q %}a{% else %}none{% endfor %}",
        "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for a, b in nested %}{{ a + b }} {% endfor %}", "{% for (a, b) in nested %}{{ a * b }} {% endfor %}",
        "{% for x in l %}{{ loop.previtem }}<{{ x }}<{{ loop.nextitem }} {% endfor %}", "{% for x in l %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}!", "{% for x in l %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
        "{% for r in nested %}{% for x in r %}{{ loop.depth }}{{ x }}{% if x == 3 %}{% break %}{% endif %}{% endfor %};{% endfor %}", "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in [1, 1, 2] %}{{ loop.changed(x) }} {% endfor %}",
        "{% for x in l %}{% set y = x %}{% endfor %}{{ y is defined }}", "{% set ns = namespace(n=0) %}{% for x in l %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}", "{% set a = 1 %}{% for x in l %}{% set a = a + 1 %}{{ a }}{% endfor %}{{ a }}",
        "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a = 1, 2 %}{{ a }}", "{% set x %}a{{ s }}b{% endset %}{{ x | upper }}", "{% set x | upper %}a{{ s }}b{% endset %}{{ x }}", "{% set x | trim | length %}  abc {% endset %}{{ x }}",
        "{% if t %}{% set w = 5 %}{% endif %}{{ w }}", "{% macro m(a, b=2, c='z') %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m(b=4) }}", "{% macro m(a) %}{{ a }}{{ s }}{% endmacro %}{{ m(a='<') ~ '!' }}",
        "{% set g = 1 %}{% macro m() %}{{ g }}{% endmacro %}{% set g = 2 %}{{ m() }}", "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}", "{% macro m(x) %}<{{ caller() }}{{ x }}>{% endmacro %}{% call m(1) %}in{{ s }}{% endcall %}",
        "{% macro m() %}<{{ caller('u', 2) }}>{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=2) }}", "{% macro m(a) %}{{ a }}{% endmacro m %}{{ m(3) }}",
        "{% filter upper %}ab{{ s }}{% endfilter %}", "{% with a = 1, b = s %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", "{% raw %}{{ x }}{% if %}{% endraw %}!", "{% raw -%}  {{ x }} {%- endraw %}!", "{% generation %}a{{ s }}{% endgeneration %}b", "a{# comment #}b", "a\n{# comment #}\nb", "a {#- c -#} b",
        "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}", "{% set j = joiner('; ') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}", "{% for i in range(3) %}{{ i }}{% endfor %}", "{% for c in 'héy' %}{{ c }}.{% endfor %}", "{% for x in l | reverse %}{{ x }}{% endfor %}", "{% for x in l[1:] %}{{ x }}{% endfor %}",
        "{% for x in l %}\n{{ x }}\n{% endfor %}\nend\n", "  {% if t %}\n  a\n  {% endif %}\n  b", "  {%+ if t %}\n a{% endif %}", "{% if t +%}\n a{% endif %}", "a  {%- if t %} b {%- endif %} c", "a\n\n{{- s -}}\n\nb", "a\n{%- if t -%}\n  b\n{%- endif -%}\nc", "x\n  {{ s }}\n  y", "x\n   {# c #}\n y\n", "a\r\n{% if t %}\r\nb\r\n{% endif %}\r\nc", "text {% if t %} \n x{% endif %}", "{{ s }}\n", "{{ s }}\n\n", "\n\n{{ s }}", "{{s}}{{s}}", "{{ '{{' }}{{ '%}' }}", "{{ {'a': {'b': 1}} }}", "{% set x = {'a': [1, {'b': 2}]} %}{{ x.a[1].b }}", "a{%- set x = 1 -%}  b", "{%- for x in l -%}  {{ x }}  {%- endfor -%}", " {% for x in l %} {{ x }} {% endfor %} ", "\t{% if t %}\n\ta{% endif %}\n", "{% if t %}\n\n\na{% endif %}", "x {%- if t %}\n y{% endif %}",
        "{% set ns = namespace() %}{% set ns.a = 'k' %}{{ ns.a }}{{ ns.b is defined }}", "{% set d2 = {} %}{% set d2.x = 1 %}", "{% set x = x if x is defined else 4 %}{{ x }}", "{% for x in l recursive_not %}{% endfor %}", "{% if %}", "{% endif %}", "{{ }}", "{{ 1 + }}", "{% for x l %}{% endfor %}", "{{ 'abc }}", "{{ a b }}", "{% unknown %}", "{% if t %}", "{{ (1 }}", "{{ s | nofilter }}", "{{ s is notest }}", "{% break %}", "{# open", "{{ open", "{% set 1 = 2 %}", "{{ a.1b }}", "{{ ] }}", "{{ 5 | }}", "{{ x. }}", "{% for x in l %}{% endif %}", "{% macro %}{% endmacro %}", "{{ {1} }}", "{{ a ? b }}", "{% elif t %}",
        "{% set content = s | string %}{{ content }}{% set content = content ~ '!' %}{{ content }}", "{% for x in l %}{% for y in l if y > x %}{{ x }}{{ y }} {% endfor %}{% endfor %}", "{% macro a() %}1{% endmacro %}{% macro b() %}{{ a() }}2{% endmacro %}{{ b() }}", "{% for m in l %}{% if loop.index is divisibleby 2 %}{{ m }}{% endif %}{% endfor %}", "{{ (l | length - 1) }}", "{% set x = [] %}{% set x = x + [1] %}{{ x }}", "{%- macro r(p) -%}\n  {%- if p is mapping -%}m{%- elif p is string -%}s{%- else -%}o{%- endif -%}\n{%- endmacro -%}\n{{ r({}) }}{{ r('') }}{{ r(1) }}", "{{ d.items() | list | length }}{% for k, v in d | dictsort %}{{ k }}{{ v }}{% endfor %}", "{% for k, v in d | items %}{{ k }}{{ loop.last }}{% endfor %}",
    ]):
        case("statement %d: %s" % (i, t), t, **v)


def families():
    """Own templates that print the published prompt formats of the popular families."""
    t = {}
    t["llama2"] = ("{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set sys = messages[0]['content'] %}{% else %}{% set rest = messages %}{% set sys = false %}{% endif %}"
        "{% for m in rest %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate user/assistant') }}{% endif %}"
        "{% if loop.index0 == 0 and sys != false %}{% set c = '<<SYS>>\\n' + sys + '\\n<</SYS>>\\n\\n' + m['content'] %}{% else %}{% set c = m['content'] %}{% endif %}"
        "{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + c.strip() + ' [/INST]' }}{% elif m['role'] == 'assistant' %}{{ ' ' + c.strip() + ' ' + eos_token }}{% endif %}{% endfor %}")
    t["chatml"] = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    t["zephyr"] = ("{% for m in messages %}\n{% if m['role'] == 'user' %}\n{{ '<|user|>\\n' + m['content'] + eos_token }}\n{% elif m['role'] == 'system' %}\n{{ '<|system|>\\n' + m['content'] + eos_token }}\n"
        "{% elif m['role'] == 'assistant' %}\n{{ '<|assistant|>\\n' + m['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}")
    t["gemma"] = ("{{ bos_token }}{% if messages[0].role == 'system' %}{% set prefix = messages[0].content ~ '\\n\\n' %}{% set ms = messages[1:] %}{% else %}{% set prefix = '' %}{% set ms = messages %}{% endif %}"
        "{%- for m in ms -%}\n  {%- if m.role == 'assistant' -%}{%- set role = 'model' -%}{%- else -%}{%- set role = m.role -%}{%- endif -%}\n"
        "  {{ '<start_of_turn>' ~ role ~ '\\n' ~ (prefix if loop.first else '') }}\n  {%- if m.content is string -%}\n    {{ m.content | trim }}\n  {%- elif m.content is iterable -%}\n"
        "    {%- for part in m.content -%}{%- if part.type == 'image' -%}{{ '<start_of_image>' }}{%- elif part.type == 'text' -%}{{ part.text | trim }}{%- endif -%}{%- endfor -%}\n"
        "  {%- else -%}{{ raise_exception('Invalid content type') }}{%- endif -%}\n  {{ '<end_of_turn>\\n' }}\n{%- endfor -%}\n{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}\n")
    t["phi3"] = "{% for m in messages %}{% if m['role'] == 'system' and m['content'] %}{{'<|system|>\\n' + m['content'] + '<|end|>\\n'}}{% elif m['role'] == 'user' %}{{'<|user|>\\n' + m['content'] + '<|end|>\\n'}}{% elif m['role'] == 'assistant' %}{{'<|assistant|>\\n' + m['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"
    t["phi4"] = "{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '<|im_sep|>' ~ m.content ~ '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"
    t["deepseek"] = ("{%- set ns = namespace(first=true, sys='') -%}{%- for m in messages if m.role == 'system' -%}{%- set ns.sys = ns.sys ~ ('' if ns.first else '\\n\\n') ~ m.content -%}{%- set ns.first = false -%}{%- endfor -%}"
        "{{ bos_token }}{{ ns.sys }}{%- for m in messages -%}{%- if m.role == 'user' -%}{{ '<｜User｜>' + m.content }}{%- elif m.role == 'assistant' and m.content is not none -%}{%- set c = m.content -%}"
        "{%- if '</think>' in c -%}{%- set c = c.split('</think>')[-1] -%}{%- endif -%}{{ '<｜Assistant｜>' + c + '<｜end▁of▁sentence｜>' }}{%- endif -%}{%- endfor -%}{%- if add_generation_prompt -%}{{ '<｜Assistant｜>' }}{%- endif -%}")
    t["command-r"] = ("{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set ms = messages[1:] %}{{ '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' + messages[0]['content'] + '<|END_OF_TURN_TOKEN|>' }}{% else %}{% set ms = messages %}{% endif %}"
        "{% for m in ms %}{% set c = m['content'] %}{% if m['role'] == 'user' %}{{ '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>' + c.strip() + '<|END_OF_TURN_TOKEN|>' }}{% elif m['role'] == 'assistant' %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' + c.strip() + '<|END_OF_TURN_TOKEN|>' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}")
    t["granite"] = "{%- for m in messages %}\n{{- '<|start_of_role|>' + m['role'] + '<|end_of_role|>' + m['content'] + '<|end_of_text|>\\n' }}\n{%- if loop.last and add_generation_prompt %}\n{{- '<|start_of_role|>assistant<|end_of_role|>' }}\n{%- endif %}\n{%- endfor %}"
    t["smollm"] = "{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a helpful AI assistant named SmolLM.<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    for name, template in t.items():
        for label, chat in (("chat", CHAT), ("plain", PLAIN), ("wrong order", [A("x"), U("y")])):
            case("%s %s" % (name, label), template, messages=chat, **BASE)
        case("%s no prompt" % name, template, messages=PLAIN, **dict(BASE, add_generation_prompt=False))
    case("gemma3 parts", t["gemma"], messages=[U([{"type": "image"}, {"type": "text", "text": " what? "}])], **BASE)
    case("gemma3 bad", t["gemma"], messages=[U(5)], **BASE)

    tools = {}
    tools["llama3.1"] = r"""{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set sys = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set sys = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{{- "Cutting Knowledge Date: December 2023\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{{- sys }}
{{- "<|eot_id|>" }}
{%- if tools is not none %}
    {%- if messages | length != 0 %}
        {%- set first = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("No first user message") }}
    {%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\n\n' -}}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
    {{- first + "<|eot_id|>" }}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("Only one tool call at once") }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
        {{- '{"name": "' + call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"""
    tools["qwen2.5"] = r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are a helpful assistant.' }}
    {%- endif %}
    {{- "\n\n# Tools\n\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools><|im_end|>\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\n<tool_call>\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' }}
        {{- message.content }}
        {{- '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""
    tools["qwen3"] = r"""{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or reasoning) %}
            {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\n' + content }}
        {%- endif %}
        {%- for call in message.tool_calls or [] %}
            {{- '\n<tool_call>\n{"name": "' ~ call.function.name ~ '", "arguments": ' }}
            {%- if call.function.arguments is string %}
                {{- call.function.arguments }}
            {%- else %}
                {{- call.function.arguments | tojson }}
            {%- endif %}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
"""
    tools["mistral"] = r"""{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, roles must alternate user/assistant") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length < 9 %}
                {{- raise_exception("Tool call IDs should be alphanumeric strings of length 9 or more") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id[-9:] + '"}' }}
            {%- if not loop.last %}
                {{- ", " }}
            {%- else %}
                {{- "]" + eos_token }}
            {%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] == "tool" %}
        {{- '[TOOL_RESULTS] {"content": ' + message.content|string + "}[/TOOL_RESULTS]" }}
    {%- endif %}
{%- endfor %}
"""
    tools["signatures"] = r"""{%- macro type_of(p) -%}
    {%- if p.enum is defined -%}{{ p.enum | map('tojson') | join(' | ') }}
    {%- elif p.type == 'object' -%}{ {%- for k, v in p.properties | dictsort -%}{{ k }}{{ '' if k in (p.required or []) else '?' }}: {{ type_of(v) }}{{ ', ' if not loop.last }}{%- endfor -%} }
    {%- else -%}{{ p.type }}
    {%- endif -%}
{%- endmacro -%}
{%- for t in tools | default([]) %}
// {{ t.function.description | replace('"', "'") }}
type {{ t.function.name }} = (_: {{ type_of(t.function.parameters) }}) => any;
{% endfor %}
{% for m in messages %}{{ loop.index }}/{{ loop.length }} {{ m.role | upper }}: {{ (m.content or '') | trim | indent(2) }}
{% endfor %}"""
    for name, template in tools.items():
        for label, chat in (("chat", CHAT), ("plain", PLAIN), ("tool chat", TOOLCHAT), ("order", [A("x"), U("y")])):
            case("%s %s" % (name, label), template, messages=chat, **BASE)
            case("%s %s, tools" % (name, label), template, messages=chat, tools=TOOLS, **BASE)
    case("qwen3 thinking", tools["qwen3"], messages=[U("a"), A("<think>\nhm\n</think>\n\nb"), U("c"), A("<think>\nhm2\n</think>\n\nd")], **dict(BASE, add_generation_prompt=False))
    case("qwen3 no thinking", tools["qwen3"], messages=[U("a")], enable_thinking=False, **BASE)


expressions()
statements()
families()
with open("tests/llm/jinja_cases.json", "w") as f:
    json.dump(cases, f, ensure_ascii=False, indent=0)
    f.write("\n")
print(len(cases), "cases,", sum("error" in c for c in cases), "of them errors")
