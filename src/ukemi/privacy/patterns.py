"""
What secrets look like in running text. Patterns run in re2: in linear time, on text that strangers write.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import re2

from ukemi.privacy import shapes, told
from ukemi.privacy.rules import Rules
from ukemi.privacy.shapes import VENDOR_HINTS, VENDOR_PREFIXES, VENDOR_URLS, VENDOR_WHOLES
from ukemi.privacy.tables import columns, rows
from ukemi.privacy.values import TELLING_KEY, values

Replace = Callable[[Any, Rules], str | None]
"""From a match to what shall stand there; None leaves it."""
Finder = Callable[[str, Rules], str]
"""From a text to the text without what was looked for."""

SUSPICIOUS: Final = re2.compile(
    r"(?i)pass|pwd|secret|token|tkn|\btok|_tok|key|auth|cookie|sess|csrf|xsrf|jwt|signature|cv[cv]|ssn|credential|otp|pin|bearer|basic|card"
    r"|(?:security|verification|recovery|access|time|backup|scratch)[^0-9a-z]*code|security[^0-9a-z]*answer|two[^0-9a-z]*factor|social|\bpan|_pan"
    r"|cc[^0-9a-z]*num|mail|user|login|\bip|_ip|addr|\bsid|_sid|saml|mfa|row contains|\bpw|_pw|psw|psk|\bsig\b|[\s'\"]-[uawpPk]|thin:|sqlplus|Private-Lines|identified|name=|\[parameters|code=|AUTH |ecret|oken|ssw?ord|openssl|clave|jelsz|parola|lozinka|geslo|\$(?:2[aby]|argon2\w*|[156y])\$|pbkdf2|== |iban|:[0-9*]+:[^\s:]+:[^\s:]+:"
    r"|eyJ|-----BEGIN|-----END|UGFzc3dvcmQ6|hmac=|/[a-z-]*(?:reset|magic|verif|confirm|activat|invit)|crypt|//[^\s@/:]*:[^\s@/]*@|/[^\s@/]+@//|:/[^\s@:]*[@:]|@[^\s@/]+[.:(]|(?:\d[ .+-]?){9}|\d\.\d{1,3}\.\d{1,3}\.\d|[0-9a-f]*:[0-9a-f]*:[0-9a-f]*:"
    r"|%[0-9a-f]{2}|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\[nrt][A-Z]|&#"
    r"|kennwort|contrase|senha|wachtwoord|has[lł]o|heslo|l[oö]senord|adgangskode|salasana|[sş]ifre|парол|密码|密碼|口令|パスワード|비밀번호"
    f"|{VENDOR_PREFIXES}|{VENDOR_HINTS}|{VENDOR_URLS}"
)
"""
Texts without any of this hold nothing that the patterns below could find: one look instead of ten.

What is written in escapes (`%40`) is suspicious as such.
"""


@dataclass(frozen=True)
class Pattern:
    """One thing to look for in texts."""

    name: str
    sign: str
    """A regular expression of re2 that matches in each text where `find` would find something."""
    find: Finder
    is_of_ips: bool = False
    is_of_prose: bool = False
    """Not looked for in source code: what stands there after a header's name is a type or an expression."""
    is_of_values: bool = False
    """Reads what stands after a key; in source code that is done otherwise."""
    is_of_commands: bool = False
    """Goes by the options of a tool, so a list of arguments is read with it, too."""


def _by(name: str, pattern: str, replace: Replace, **kinds: bool) -> Pattern:
    """What matches `pattern`, which is its own sign."""
    compiled = re2.compile(pattern)

    def find(text: str, rules: Rules) -> str:
        def replaced(match: Any) -> str:
            replacement = replace(match, rules)
            return str(match.group(0)) if replacement is None else replacement

        return str(compiled.sub(replaced, text))

    return Pattern(name, pattern, find, **kinds)


_LETTERS: Final = r"A-Za-z\x{C0}-\x{24F}\x{370}-\x{1FFF}\x{3040}-\x{D7FF}"
"""Also those of other scripts. Ranges, for `\\pL` repeated makes re2 run out of memory."""

FINDERS: Final[list[Pattern]] = [
    _by("@pemkey", r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*-----|$)", shapes.filtered),
    _by(  # the end of one whose beginning was cut off
        "@pemkey",
        r"(?:[A-Za-z0-9+/=]{4,}(?:\s|\\[rn])*)+-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----",
        shapes.filtered,
    ),
    _by(
        "@password",
        r"(?:\$(?:2[aby]|argon2[a-z]{1,2}|scrypt|[156y])\$[^\s'\"$]+(?:\$[^\s'\"$]+)*|\bpbkdf2[\w:-]*\$[0-9]+\$[^\s'\"$]+\$[^\s'\"]+)",
        shapes.password_hash,
    ),
    _by("@jwt", r"\beyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,2}", shapes.filtered),
    _by(
        "@vendorkey",
        rf"(?:\b|/bot)(?:(?:{VENDOR_PREFIXES})[A-Za-z0-9_.+/=-]{{10,}}|{VENDOR_WHOLES})|(?:{VENDOR_URLS})[A-Za-z0-9/_-]{{4,}}",
        shapes.vendor_key,
    ),
    _by(
        "@urlauth",
        r"([a-zA-Z][a-zA-Z0-9+.-]*(?::/{1,3}|//))([^\s/@'\"]*:(?:[^\s/]+|[^\s/@'\"?#]*[^\s/@'\"?#0-9][^\s/@'\"?#]*/[^\s@'\"?#]*))@",
        shapes.url_auth,
    ),
    _by("@urlauth", r"([a-zA-Z][a-zA-Z0-9+.-]*://)([^\s/@:'\"?#]+)@", shapes.url_token),
    _by(
        "@urlauth", r"([a-zA-Z][a-zA-Z0-9+.-]*://[^\s/@:'\"\[\]]*:)([^\s/@:'\"\])}>,;]+)(['\"]?)$", shapes.cut_url_auth
    ),
    _by(  # user:password@tcp(host), user:password@host:5432
        "@urlauth",
        r"()((?:^|[\s'\"=(,])[A-Za-z][\w.-]*:[^\s/@:'\"]{3,})(@(?:(?:tcp|udp|unix)\d?\(|[A-Za-z][\w.-]*:\d{2,5}\b))",
        shapes.bare_auth,
    ),
    _by(  # host:5432:database:user:password, a line of .pgpass
        "@password",
        r"(?m)^([\w.*-]+:(?:\d{2,5}|\*):(?:\*|[A-Za-z][\w-]*):(?:\*|[A-Za-z_][\w.-]*):)([^\s:]+)$",
        told.line_of_pgpass,
        is_of_prose=True,
    ),
    _by(
        "@password",
        r"""(^|[\s"'(\[,])(--?[A-Za-z][A-Za-z0-9_.-]{1,63})(\s+)(\\?"[^"]*(?:"|$)|'[^']*(?:'|$)|[^\s,;"')\]-][^\s,;"')\]]*)""",
        told.option,
    ),
    _by(
        "@password",
        r"""([\[(,]\s*b?["'])(--[A-Za-z][A-Za-z0-9_.-]{1,63})(["'],\s*)(b?"[^"]*(?:"|$)|b?'[^']*(?:'|$))""",
        told.option,
    ),
    _by(
        "@password",
        r"(?i)(\b(?:password|passwd|passphrase|passcode|pwd|psk|secret|api[ _-]?key|(?:recovery|backup|pairing|activation|unlock|verification)[ -]code|(?:access|auth|refresh|session|csrf)[ _-]?token|session[ _-]?id"
        r"|(?:hmac|signing|encryption|secret|master|license|private|access|server|pre-?shared)[ _-]?key|token\s+(?:is|was)))"
        r"((?:\s+(?:of|for)(?:\s+[\w.@-]+){1,3}?)?\s+(?:(?:is|was):?\s+|[-|]\s+)?[\"'`(]?)([^\s,;\"'`()\[\]{}=<>/]{5,})",
        told.told_in_a_sentence,
    ),
    _by(
        "@password",
        r"(?i)()\b(password|passphrase|secret|api[ _-]?key|(?:access |auth |refresh |session )?token|session[ _-]?id|pin)"
        r"(\s+(?:provided|supplied|given|received|entered|submitted|sent)\s*:\s*)(\S+)",
        told.key_and_value,
    ),
    _by(
        "@password",
        r"(?i)\b((?:password|passwd|passphrase|passcode|secret|token|pin|api[ _-]?key|(?:pairing|access|unlock)[ -]code)(?:\s+[\w.@-]+){0,4}?\s+(?:set|changed|reset|updated|rotated)|set\s+(?:[\w.@-]+\s+){0,2}(?:password|passphrase|passcode|secret|pin|(?:pairing|access|unlock)[ -]code))(?:(\s+from\s+)(\S+))?(\s+to:?\s+)(\"[^\"]*\"?|'[^']*'?|\S+)",
        told.set_to,
    ),
    _by(  # password must be longer, got 'hunter2'
        "@password",
        r"(?i)\b(([a-z_]{0,40}(?:password|passwd|passphrase|secret|token)|api[ _-]?key)[^.\n\"'=]{0,60}?\s(?:(?:got|value|received|expected):?\s+|(?:old|previous|new)[:=]\s*))(\"[^\"]*\"?|'[^']*'?|[^\s,;]+)"
        r"(?:(,?\s+(?:(?:but\s+)?(?:got|expected|received):?\s+|(?:old|previous|new)[:=]\s*))(\"[^\"]*\"?|'[^']*'?|[^\s,;]+))?",
        told.got,
        is_of_prose=True,
    ),
    _by(  # user.set_password('hunter2')
        "@password",
        r"""()\b((?:set|check|verify|change|hash|validate|compare|Invalid|Wrong|Bad|Weak|Incorrect|Expired)_?[A-Za-z]\w*)(\()("[^"\s]{5,}"|'[^'\s]{5,}')""",
        told.called,
    ),
    _by(  # AUTH hunter2, requirepass hunter2, aws configure set aws_secret_access_key hunter2
        "@password",
        r"()\b([A-Za-z]\w*[_-]\w+|\w+pass|AUTH(?:[ \t]+[A-Za-z_]+)?)([ \t]+[\"']?)([^\s;,\"'()\[\]{}=:<>]{6,})",
        told.directive,
        is_of_prose=True,
    ),
    Pattern("@password", r"(?i)\)[^()]*(?:values|=)[^()]*\(", rows),
    Pattern("@password", r"\n", columns, is_of_prose=True),
    _by(
        "@password",
        r"""(?m)()\b((?:[A-Za-z]+ )?[A-Za-z_][\w.-]{1,63})(["']?[ \t]*[:=][ \t]*\r?\n(?:[ \t]*\r?\n)?[ \t]*)(\S+)[ \t]*\r?$""",
        told.on_the_next_line,
        is_of_prose=True,
    ),
    _by(  # a block of YAML
        "@password",
        r"""(?m)()\b([A-Za-z_][\w.-]{1,63})(["']?:[ \t]+[|>][+-]?[0-9]?[ \t]*\r?\n[ \t]+)(\S[^\r\n]*(?:\r?\n[ \t]+\S[^\r\n]*)*)""",
        told.key_and_value,
        is_of_prose=True,
    ),
    _by(
        "@password",
        r"""(?m)()\b([A-Za-z_][\w.-]{1,63})(["']?:[ \t]*\r?\n)((?:[ \t]*-[ \t]+\S+[ \t]*(?:\r?\n|\z))+)""",
        told.listed,
        is_of_prose=True,
    ),
    _by(
        "@password",
        r"(?i)(\b(?:password|passphrase|secret|api[ _-]?key|token)\s+(?:created|generated|issued|rotated|renewed)\s*:\s*)([^\s,;]{5,})",
        told.came_to_be,
        is_of_prose=True,
    ),
    _by(  # what Redis is told to keep
        "@password",
        r"""(\b(?:(?:P?SET|GETSET|HM?SET)(?:EX|NX)?|[LR]PUSH|SADD)[ \t]+["']?)([^\s"'=]+)(["']?[ \t]+(?:[0-9]+[ \t]+)?)("[^"]*"?|'[^']*'?|[^\s]+)""",
        told.stored,
        is_of_prose=True,
    ),
    _by("@password", r"(?m)(^[<>*\s-]*PASS[ \t]+)(\S+)\s*$", told.signed_on, is_of_prose=True),  # FTP, POP, IRC
    _by(
        "@password",
        r"(\bUSER[ \t]+\S+[^\S\n]*\n(?:[<>].*\n)*[<>*\s-]*PASS[ \t]+)(\S+)",
        told.after_option,
        is_of_prose=True,
    ),
    _by("@password", r"(UGFzc3dvcmQ6\s+(?:[<>C]\S*\s+)?)(\S+)", told.after_option),  # SMTP asks for it in base64
    _by(  # PASSWORD('hunter2') and crypt('hunter2', …) of SQL
        "@password", r"(?i)(\b(?:(?:old_)?password|crypt)\(\s*)('[^']*'?)", told.after_option, is_of_prose=True
    ),
    _by(  # pgp_sym_decrypt(column, 'hunter2')
        "@password",
        r"(?i)(\b(?:pgp_sym|aes|des)_(?:en|de)crypt\w*\((?:[^'()]|'[^']*')*?,\s*)('[^']*'?)",
        told.after_option,
        is_of_prose=True,
    ),
    _by("@password", r"""(?i)(\bkey:?\s+b?["'])([\w+/=-]{24,})(["'])""", told.random_key, is_of_prose=True),
    _by("@password", r"([?&](?:key|hmac)=)([^\s&#'\"/.:,)]+)", told.parameter_key),
    _by(  # password for lena: hunter2
        "@password",
        r"(?i)()\b(password|passwort|kennwort|passwd|passphrase|passcode|pin|secret|token)(\s+(?:for|of|f\x{FC}r|von|pour|para|per)(?:\s+[\w.@-]+){1,3}\s*[:=]\s*)(\"[^\"]*\"?|'[^']*'?|[^\s,;]+)",
        told.told_for,
        is_of_prose=True,
    ),
    _by(  # a link that lets in whoever has it
        "@password",
        r"(?i)(/[a-z-]*(?:reset|magic|verif|confirm|activat|invit)[a-z-]*/(?:[a-z0-9]{1,4}/)?)([a-z0-9_.~-]{16,})",
        told.linked,
    ),
    _by(  # - name: DB_PASSWORD, and below it the value
        "@password",
        r"(\bname:[ \t]*)([A-Za-z_][\w.-]{1,63})([ \t]*\r?\n[ \t]*value:[ \t]*)(\S[^\r\n]*)",
        told.key_and_value,
        is_of_prose=True,
    ),
    _by(  # <key>password</key><string>…</string>
        "@password",
        r"(<(?:\w+:)?(?:key|name)>\s*)([A-Za-z_][\w.-]{1,63})(\s*</[\w:]+>\s*<\w+>)([^<>]+)",
        told.key_and_value,
    ),
    _by(  # <string name="auth_token">…</string>
        "@password", r"""((?:name|key)=\\*["']?)([A-Za-z_][\w.-]{1,63})(\\*["']?>\s*)([^\s<>]+)""", told.key_and_value
    ),
    _by(
        "@password",
        r"""(?i)()\b([\w-]*signature)(\\*["']?\s*[:=]\s*\\*["']?)((?:\w+=[^\s,;]+,\s*)+\w+=[^\s,;"'\\]+)""",
        told.key_and_value,
        is_of_prose=True,
    ),
    _by(  # what a sign-in comes back with
        "@password", r"((?:^|[?&\s'\"])code=)([^\s&'\"#]+)(&(?:[^\s&]*&)*state=)", shapes.within
    ),
    _by("@password", r"(\bstate=[^\s&]*&(?:[^\s&]*&)*code=)([^\s&'\"#]+)()", shapes.within),
    _by(  # `ssword": "…`: a text that was cut within a key
        "@password",
        r"""^((?:a?s)?(?:s?word|sphrase)|e?cret|o?ken|pi_?key|uthorization)(\\*["']\s*[:=]\s*)(\\*"[^"]*"?|\\*'[^']*'?)""",
        told.cut_key,
    ),
    _by("@password", r"(?s)(row contains )\([^\[].*\)", told.row),
    _by("@bearer", r"(?i)\b((?:bearer|basic|token)\s+|bearer(?:\.|,\s*))([A-Za-z0-9+/=._~-]{6,})", shapes.after_word),
    _by(
        "@password",
        r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:digest|aws4-hmac-sha256|hawk|oauth|signature)\s)([^\r\n]+)",
        told.after_option,
    ),
    _by(
        "@password",
        r"(?i)()\b((?:proxy-)?authorization)([\"']?\s*:\s*)((?:[a-z][\w-]*[ \t]+)?[^\s,;\"'\[\](){}]+)",
        told.header,
        is_of_prose=True,
    ),
    _by(
        "@password",
        r"(?i)()\b((?:set-|simple)?cookie)([\"']?\s*:\s*)([^\s,;\"'\[\](){}]+(?:'[^']*')?(?:;[ \t]*[^\s,;\"'\[\](){}]+)*)",
        told.header,
        is_of_prose=True,
    ),
    _by(
        "@password",
        r"(?i)()\b(password|passwd|passphrase|identified)(\s+(?:(?:by|like|for\s+\S+\s*=)\s*)?)(\"[^\"]+(?:\"|$)|'[^']+(?:'|$))",
        told.quoted_after,
    ),
    _by(
        "@password",
        r"(?i)()\b((?:pin|otp|mfa|totp|(?:one[ -]?time|verification|security|login|access))[ -]code|pin|cvv|cvc|otp)([ \t]+)([0-9]{3,8})\b",
        told.key_and_value,
    ),
    _by("@password", r"(<(?:\w+:)?)([A-Za-z_][\w.-]{1,63})((?:\s[^<>]*)?>)([^<>]+)(<|$)", told.element),
    _by(
        "@password",
        r"""(name=\\*["']?)([A-Za-z_][\w.\[\]-]{1,63})(\\*["']?(?:\s+value=|\s*(?:\r?\n|\\r\\n)(?:[A-Za-z-]+:[^\r\n]*\r?\n)*(?:\r?\n|\\r\\n)))("[^"]*"?|'[^']*'?|[^\s<>]+)""",
        told.key_and_value,
    ),
    _by(
        "@password",
        r"((?:^|[\s\"'])(?:-u|--user|--proxy-user)(?:[ =]+|[\"']?,?\s+)[\"']?)([^\s:\"']*[^\s:0-9\"'][^\s:\"']*:[^\s\"']+)",
        told.user_and_password,
        is_of_commands=True,
    ),
    _by(  # mysql -phunter2
        "@password",
        r"""(?i)(\b(?:(?:mysql|mariadb)[\w.-]*|7z[ar]?)['",]*\s(?:[^\n|;]*[\s"'])?-p)([^\s'",][^\s'",]*)""",
        told.after_option,
        is_of_prose=True,
        is_of_commands=True,
    ),
    _by(
        "@password",
        r"""([\s"'](?:-u|--user|--username)["',]*[ =\f]+["']?[^\s"'-][^\s"']*["',]*[ \f]+["']?(?:-p|--pass)["',]*[ =\f]+)("[^"]*"?|'[^']*'?|[^\s'",-][^\s'",]*)""",
        told.option_after_user,
        is_of_prose=True,
        is_of_commands=True,
    ),
    _by(  # echo hunter2 | docker login --password-stdin
        "@password",
        r"""(\b(?:echo|printf)\s+(?:-\w+\s+)?)("[^"]*"|'[^']*'|[^\s|]+)(\s*\|[^\n|]*--(?:password|pass|token)-stdin)""",
        shapes.within,
        is_of_prose=True,
    ),
    _by(  # sshpass -p hunter2, redis-cli -a hunter2
        "@password",
        r"""(\b(?:(?:sshpass|(?:docker|podman|az|oc|helm registry) login|mongo\w*|mongosh|kinit)\b[^\n|;]*?[\s"']-p"""
        r"""|(?:sqlcmd|bcp|isql|osql|zip|unzip|mosquitto_\w+|smbclient)\b[^\n|;]*?[\s"']-P|redis-cli\b[^\n|;]*?[\s"']-a|openssl\b[^\n|;]*?[\s"']-(?:k|pass(?:in|out)?["',]*[ =]*["']?pass:)"""
        r"""|ldap\w+\b[^\n|;]*?[\s"']-w)["',]*[ =\f]*)("[^"]*"?|'[^']*'?|[^\s'",-][^\s'",]*)""",
        told.after_option,
        is_of_prose=True,
        is_of_commands=True,
    ),
    _by(  # jdbc:oracle:thin:user/hunter2@host, sqlplus user/hunter2@host
        "@urlauth", r"(?i)((?:jdbc:oracle:\w+:|\bsqlplus\s+(?:-\S+\s+)*)[^\s/@]+/)([^\s@]+)(?:@)", shapes.before_host
    ),
    _by("@urlauth", r"((?:^|[\s'\"(=])[A-Za-z]\w*/)([^\s@/]+)(@//)", shapes.within),  # user/hunter2@//host
    _by("@password", r"(?i)(\blogin\s+\S+\s+password\s+)(\S+)", told.after_option),
    _by("@password", r"(?i)((?:^|;)\s*(?:pwd|password)\s*=\s*)\{([^{}]*)\}", told.in_braces),
    _by(
        "@password",
        r"""(?is)((?:name|key|field|header|loc|path|property|variable|param)\\*["']?\s*[:= ]\s*[(\[]?(?:\\*["'][\w.-]+\\*["'],\s*){0,4}\\*["'])([A-Za-z_][\w. -]{1,63}?)"""
        r"""(\\*["'][)\]]?[\s,]*\{?[^<>{}]{0,200}?\b(?:value|content|input|received|default|val)\\*["']?\s*[:=]\s*)(\\*"(?:[^"\\]|\\[^"])*(?:\\*"|$)|\\*'(?:[^'\\]|\\[^'])*(?:\\*'|$)|[^\s,"'{}\[\]<>]+)""",
        told.value_of_name,
        is_of_prose=True,
    ),
    _by(
        "@password",
        r"""(?:()(?:^|\n)(?:[\w.]*\.)?([A-Za-z_]\w*)(\r?\n[^\n]*\binput_value=)('(?:[^'\\]|\\.)*'?|"(?:[^"\\]|\\.)*"?|[^\s,\]]+))""",
        told.pydantic_input,
    ),
    _by(
        "@password",
        r"""((?:Duplicate entry |<input[^<>]*\bvalue=))("[^"]*"|'[^']*')((?: for key |[^<>]*?\bname=)["'](?:[\w-]+\.)?)([A-Za-z_][\w.-]{1,63})""",
        told.value_before_name,
    ),
    _by("@password", r"""()("[^"]+"|'[^']+')(\s*[!=]==?\s*)([A-Za-z_][\w.]{1,63})""", told.compared, is_of_prose=True),
    _by("@password", r"(?s)(Private-Lines: [0-9]+\r?\n)(.*?)(?:Private-MAC|$)", told.after_option),
    _by(
        "@password",
        r"""(?i)()(contrase\x{F1}a|jelsz\x{F3}|has\x{142}o|l\x{F6}senord|\x{15F}ifre|пароль|密码|密碼|口令|パスワード|비밀번호)(\\*["']?\s*(?:[:=]|=>)\s*)("[^"]*"?|'[^']*'?|[^\s,;&]+)""",
        told.key_and_value,
    ),
    _by("@password", r"(?s)(\[SQL: )(.*?)(\]\s*\[parameters: )[(\[][^{].*?[)\]]\]", told.parameters),
    _by(
        "@password",
        r"(?i)()\b(password|passwd|pwd|pass[ -]?phrase|pin|(?:one[- ]time|login|access|verification|security)[- ]code)(\s+(?:is|was):?\s+)(\"[^\"]*\"?|'[^']*'?|[^\s,;]+)",
        told.key_and_value,
    ),
    _by(
        "@password",
        r"""([\[(]\s*b?["'])([A-Za-z_][A-Za-z0-9_.-]{1,63})(["']\s*,\s*)"""
        r"""(b?"(?:[^"\\]|\\.)*(?:"|\\?$)|b?'(?:[^'\\]|\\.)*(?:'|\\?$))(\s*[\])]|$)""",
        told.pair,
    ),
    Pattern("@password", TELLING_KEY, values, is_of_values=True),
    _by("@creditcard", r"(^|[^0-9A-Za-z.-])(\d(?:[ +-]?\d){12,}|(?:\d{4}\.){3}\d{4})([^0-9A-Za-z-]|$)", shapes.card),
    _by("@usssn", r"(^|[^0-9A-Za-z-])(\d{3})-(\d{2})-(\d{4})([^0-9A-Za-z-]|$)", shapes.ssn),
    _by("@usssn", r"(?i)(\bssn\W{0,3}(?:is\s+)?)(\d{3})[ -]?(\d{2})[ -]?(\d{4})([^0-9]|$)", shapes.ssn),
    _by("@email", rf"[{_LETTERS}0-9._%+-]+(?:@[{_LETTERS}0-9-]+(?:\.[{_LETTERS}0-9-]+)+)+", shapes.email),
    _by("@ip", r"(^|[^0-9A-Za-z./_-]|//)((?:\d{1,3}\.){3}\d{1,3})\b", shapes.ip, is_of_ips=True),
    _by("@ip", r"(^|[^0-9A-Za-z:.]|\[)([0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7})", shapes.ip, is_of_ips=True),
]

_SIGNS_AT_ONCE: Final = 20
"""Signs looked for in one pass. With more of them a hostile text costs more, with fewer every other one does."""
_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_ALWAYS: Final = ""
"""A sign in each text."""


def _passes() -> Iterator[tuple[range, Any]]:
    """Numbers of finders, and the set that looks for their signs and, last, for one that is always there."""
    for first in range(0, len(FINDERS), _SIGNS_AT_ONCE):
        finders = FINDERS[first : first + _SIGNS_AT_ONCE]
        signs = re2.Set.SearchSet(_OPTIONS)
        for finder in finders:
            signs.Add(finder.sign)
        signs.Add(_ALWAYS)
        signs.Compile()
        yield range(first, first + len(finders)), signs


_PASSES: Final = list(_passes())


def signed(text: str) -> set[int]:
    """
    The numbers of those of `FINDERS` whose sign stands in a text: a few passes over it instead of one for each.

    Where re2 gives up, for its memory is bounded, no sign comes back, not even the one that is always there: then all of
    the pass are to be looked for.
    """
    found: set[int] = set()
    for numbers, signs in _PASSES:
        seen = signs.Match(text)
        found.update([numbers[at] for at in seen if at < len(numbers)] if seen else numbers)
    return found


def in_command(line: str, rules: Rules) -> str:
    """A command line without the secrets that its tool's options tell."""
    for number in sorted(signed(line)):
        if FINDERS[number].is_of_commands:
            line = FINDERS[number].find(line, rules)
    return line
