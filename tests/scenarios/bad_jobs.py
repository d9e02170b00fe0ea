"""Job files that cannot be used: each with the place and the words that its user must be shown."""

from typing import NamedTuple

A = "4189d3c2-8882-4871-a3c2-d380272eed83"
B = "7c1f0c52-3f4b-4d0e-9f2b-6a1f3f0b7d11"
NIC = "0b9a2a5e-5a54-4a0f-8d26-b3a5d0f3c001"


class BadJob(NamedTuple):
    """One file and what must be said of it."""

    id: str
    file: str
    """Its name, which the place begins with."""
    content: bytes
    place: str
    """`line:column` of one of its issues."""
    words: str
    """A part of that issue's message or hint."""


def _wide(id_: str, place: str, words: str, *rows: str, header: str = "service_id,ports") -> BadJob:
    content = "\n".join((header, *rows, "")).encode()
    return BadJob(id=id_, file="wide.csv", content=content, place=place, words=words)


def _long(id_: str, place: str, words: str, *rows: str, more: str = "") -> BadJob:
    header = f"service_id,client_port,server_port,protocol{more}"
    content = "\n".join((header, *rows, "")).encode()
    return BadJob(id=id_, file="long.csv", content=content, place=place, words=words)


def _json(id_: str, place: str, words: str, *rows: str) -> BadJob:
    return BadJob(
        id=id_, file="rows.jsonl", content="\n".join((*rows, "")).encode(), place=place, words=words
    )


def _raw(id_: str, file: str, content: bytes, place: str, words: str) -> BadJob:
    return BadJob(id=id_, file=file, content=content, place=place, words=words)


def _setting(id_: str, column: str, value: str, words: str) -> BadJob:
    """Return a wide file with one bad setting in its third column."""
    return _wide(id_, "2:46", words, f"{A},1:2/TCP,{value}", header=f"service_id,ports,{column}")


def _field(id_: str, field: str, words: str, column: int = 0) -> BadJob:
    """Return a line of JSON with one bad field after the id."""
    line = f'{{"service_id": "{A}", {field}}}'
    column = column or line.index(field) + field.index(":") + 3
    return _json(id_, f"1:{column}", words, line)


_LONG_TEXT = "x" * 150_000
_MAP = '{"client_port": 8081, "server_port": 22}'

WHOLE_FILE = (
    _raw("empty CSV", "e.csv", b"", "1:1", "the file is empty"),
    _raw("empty JSON Lines", "e.jsonl", b"", "1:1", "no rows"),
    _raw("blank lines only", "e.csv", b"\n\r\n  \n", "1:1", "the file is empty"),
    _raw("comments only", "e.jsonl", b"# nothing\n\n# yet\n", "1:1", "no rows"),
    _raw("header only", "e.csv", b"service_id,ports\n", "1:1", "no rows"),
    _raw(
        "workbook", "b.csv", b"PK\x03\x04\x14\x00\x06\x00[Content_Types].xml", "1:1", "save the sheet as CSV"
    ),
    _raw(
        "old workbook", "b.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64), "1:1", "old Excel workbook"
    ),
    _raw("gzip", "b.csv", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "1:1", "gunzip"),
    _raw("zstd", "b.jsonl", b"\x28\xb5\x2f\xfd\x04\x58", "1:1", "zstd"),
    _raw("bzip2", "b.csv", b"BZh91AY&SY", "1:1", "bunzip2"),
    _raw("xz", "b.csv", b"\xfd7zXZ\x00", "1:1", "unxz"),
    _raw("a page to log in", "b.csv", b"<!DOCTYPE html>\n<html>", "1:1", "an HTML or XML document"),
    _raw("PDF", "b.csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "1:1", "PDF"),
    _raw("random bytes", "b.csv", bytes(range(256)), "1:1", "NUL"),
    _raw("UTF-16 with a mark", "u.csv", "service_id,ports\n".encode("utf-16"), "1:1", "UTF-16"),
    _raw("UTF-16 without a mark", "u.csv", "service_id,ports\n".encode("utf-16-le"), "1:1", "UTF-16"),
    _raw("UTF-16 that is no sheet", "u.jsonl", "{}\n".encode("utf-16"), "1:1", "save it as UTF-8"),
    _raw("old Mac line ends", "m.csv", f"service_id,ports\r{A},1:2\r".encode(), "1:1", "CR alone"),
    _raw("header in Latin-1", "l.csv", b"service_id,ports,notiz\xfc\n", "1:23", "0xFC is not UTF-8"),
    _raw("JSON Lines named .csv", "j.csv", f'{{"service_id": "{A}"}}\n'.encode(), "1:1", "--format jsonl"),
    _raw("CSV named .jsonl", "c.jsonl", f"service_id,ports\n{A},1:2\n".encode(), "1:1", "not JSON"),
    _raw("JSON array in one line", "a.jsonl", b'[{"service_id": ""}]\n', "1:1", "is not an object"),
    _raw("JSON over several lines", "p.jsonl", b'{\n  "service_id": ""\n}\n', "1:1", "one object a line"),
)

LINES = (
    _raw(
        "row in Latin-1",
        "l.csv",
        f"service_id,ports,note\n{A},1:2,".encode() + b"M\xfcller\n",
        "2:43",
        "0xFC",
    ),
    _raw("JSON in Latin-1", "l.jsonl", b'{"note": "M\xfcller"}\n', "1:12", "not UTF-8"),
    _raw("NUL in a row", "n.csv", f"service_id,ports\n{A},1:2\0\n".encode(), "2:41", "NUL"),
    _raw("NUL in JSON", "n.jsonl", f'# NUL\n{{"service_id": "{A}\0"}}\n'.encode(), "2:53", "NUL"),
    _raw(
        "line of 2 MiB", "h.csv", b"service_id,ports\n" + b"x" * 2_097_152 + b"\n", "2:1", "longer than 1 MiB"
    ),
    _raw(
        "JSON line of 2 MiB",
        "h.jsonl",
        b'{"note": "' + b"x" * 2_097_152 + b'"}\n',
        "1:1",
        "longer than 1 MiB",
    ),
    _raw("header of 2 MiB", "h.csv", b"service_id" + b",x" * 1_048_576 + b"\n", "1:1", "longer than 1 MiB"),
    _wide("open quote", "2:38", "not CSV from here on", f'{A},"1:2', f"{B},3:4"),
    _wide("text after a quote", "2:38", "not CSV from here on", f'{A},"1:2"x'),
    _wide(
        "too many cells",
        "2:46",
        '3 cells where the header has 2; put a cell with "," in it in quotes',
        f"{A},1:2/TCP,3:4/TCP",
    ),
    _raw(
        "file cut off in a line",
        "cut.csv",
        f"service_id,ports,note\n{A},8081:2".encode(),
        "2:44",
        "the file ends in this line: 2 cells where the header has 3",
    ),
    _wide("cell below no name", "2:42", "or name the column", f"{A},1:2,x", header="service_id,ports,"),
    _wide(
        "cell below no name in the middle",
        "2:38",
        "a column without a name",
        f"{A},x,1:2",
        header="service_id,,ports",
    ),
    _wide("cell behind empty ones", "2:44", "5 cells where the header has 2", f"{A},1:2,,,x"),
    _wide("tabs below commas", "2:1", 'separated by tabs, in the header by ","', f"{A}\t1:2"),
    _wide("bars below commas", "2:1", 'separated by "|", in the header by ","', f"{A}|1:2"),
    _raw(
        "commas below semicolons",
        "s.csv",
        f"service_id;ports\n{A},1:2\n".encode(),
        "2:1",
        'separated by ",", in the header by ";"',
    ),
    _raw(
        "CR in a line",
        "cr.csv",
        f"service_id,ports\n{A},1:2\r{B},3:4\n".encode(),
        "2:79",
        "a carriage return (CR) in the middle of a line",
    ),
    _wide("CR in a line with quotes", "2:38", "(CR) in the middle of a line", f'{A},"1:2"\r{B},3:4'),
    _wide("long cell", "2:42", "150,000 characters", f"{A},1:2,{_LONG_TEXT}", header="service_id,ports,note"),
    _wide(
        "long cell in quotes",
        "2:43",
        "150,000 characters",
        f'{A},1:2,"{_LONG_TEXT}"',
        header="service_id,ports,note",
    ),
    _field("long text", f'"note": "{_LONG_TEXT}"', "150,000 characters"),
    _wide("ports without end", "2:38", "characters; write at most 131,072", f"{A},{'1:2 ' * 40_000}"),
    _json("broken JSON", "1:1", "not JSON", '{"a"'),
    _json("JSON number", "1:1", "5 is not an object", "5"),
    _json("id nested deep", "1:16", "is not a string", f'{{"service_id": {"[" * 900}{"]" * 900}}}'),
    _json("JSON nested too deep", "1:1026", "not JSON", "[" * 5_000),
)

HEADERS = (
    _wide("misspelt column", "1:12", "did you mean ports?", f"{A},1:2", header="service_id,port"),
    _wide("column of another name", "1:1", "did you mean service_id?", f"{A},1:2", header="id,ports"),
    _wide("column in upper case", "1:1", "did you mean service_id?", f"{A},1:2", header="SERVICE_ID,ports"),
    _wide("unknown column", "1:18", "columns: service_id", f"{A},1:2,x", header="service_id,ports,colour"),
    *(
        _wide(
            f"columns separated by {delimiter!r}",
            "1:1",
            f"the columns are separated by {what}",
            header=delimiter.join(("service_id", "client_port", "server_port")),
        )
        for delimiter, what in (("|", '"|"'), (":", '":"'), ("，", '"，"'), (" ", "blanks"), (" | ", '"|"'))
    ),
    _wide("quoted columns, separated by bars", "1:1", 'separated by "|"', header='"service_id"|"ports"'),
    _wide(
        "open quote in the header", "1:1", "left open in the header", f"{A},1:2", header='service_id,"ports'
    ),
    _raw(
        "quote of the header closed in a row",
        "q.csv",
        f'service_id,"ports\n{A},1:2\n{B},"3:4\n'.encode(),
        "1:1",
        "left open in the header",
    ),
    _wide("text after a quote in the header", "1:12", "not CSV from here on", header='service_id,"ports"x'),
    _wide("very many columns", "1:1", "2,001 columns", header="service_id" + ",x" * 2_000),
    _wide("one very long name", "1:12", "unknown column", header="service_id," + "x" * 300_000),
    _wide("error value in the header", "1:1", "service_id is missing", f"{A},1:2", header="#N/A,ports"),
    _wide("column missing", "1:1", "service_id is missing", "1:2,x", header="ports,note"),
    _wide("no header", "1:1", "begin with a header", f"{B},1:2", header=f"{A},1:2"),
    _wide("column twice", "1:1", '"ports" occurs twice', f"{A},1:2,3:4", header="service_id,ports,ports"),
    _wide(
        "both layouts",
        "1:1",
        "both ports and client_port",
        f"{A},1:2,3,4",
        header="service_id,ports,client_port,server_port",
    ),
    _wide("half a layout", "1:1", "server_port is missing", f"{A},1", header="service_id,client_port"),
)

IDS = (
    _wide("no UUID", "2:1", '"web-a" is not a UUID', "web-a,1:2"),
    _wide("id missing", "2:1", "the id is missing", ",1:2"),
    _wide("id as a URN", "2:1", f"is a URN, not a bare UUID; write {A}", f"urn:uuid:{A},1:2"),
    _wide("id in braces", "2:1", f"in braces, not a bare UUID; write {A}", f"{{{A}}},1:2"),
    _wide("id without dashes", "2:1", f"write {A}", f"{A.replace('-', '')},1:2"),
    _wide(
        "full service name",
        "2:1",
        f"a full service name, not a bare UUID; write {A}",
        f"cn-north-4.web.{A},1:2",
    ),
    _wide("id and more", "2:1", "with something around it", f"{A}x,1:2"),
    _field("id is a number", '"ports": [' + _MAP + "]", "is not a string", 0)._replace(
        content=b'{"service_id": 4189, "ports": [' + _MAP.encode() + b"]}\n", place="1:16"
    ),
    _json("id absent in JSON", "1:1", "the id is missing", f'{{"ports": [{_MAP}]}}'),
    _wide("service in two rows", "3:1", "also named at wide.csv:2:1", f"{A},1:2", f"{A.upper()},3:4"),
    _wide(
        "service in two rows, told at the first", "2:1", "also named at wide.csv:3:1", f"{A},1:2", f"{A},3:4"
    ),
    _long(
        "lines of one service apart",
        "4:1",
        "also named at long.csv:2:1",
        f"{A},1,2,",
        f"{B},1,2,",
        f"{A},3,4,",
    ),
    _json(
        "service in three rows",
        "2:17",
        "also named at rows.jsonl:1:17, and 1 more",
        *[f'{{"service_id": "{A}", "ports": [{_MAP}]}}'] * 3,
    ),
)

MAPPINGS = (
    _wide("no mapping", "2:38", '"8081" is not a mapping', f"{A},8081"),
    _wide("three ports", "2:38", '"1:2:3" is not a mapping', f"{A},1:2:3"),
    _wide("port 0", "2:38", '"0" is not a port', f"{A},0:22"),
    _wide("port 65536", "2:38", '"65536" is not a port', f"{A},22:65536"),
    _wide("port with a sign", "2:38", '"+80" is not a port', f"{A},+80:80"),
    _wide("port left out", "2:38", "the port is missing", f"{A},80:"),
    _wide("leading zero", "2:38", '"080" is not a port', f"{A},080:80"),
    _wide("full-width digits", "2:38", "is not a port", f"{A},８０:80"),
    _wide("unknown protocol", "2:38", '"SCTP" is not a protocol', f"{A},80:80/SCTP"),
    _wide("mapping twice", "2:38", "80:80/TCP is given twice", f"{A},80:80 80:80/tcp"),
    _wide("client port twice", "2:38", "share the client port 80/TCP", f"{A},80:80 80:81"),
    _wide("201 mappings", "2:38", "201 mappings", f"{A},{' '.join(f'{n}:80' for n in range(1, 202))}"),
    _wide("separators only", "2:38", "an empty list", f"{A},;"),
    _wide("broken JSON in a cell", "2:39", "not a JSON array", f'{A},"[{{"'),
    _wide(
        "JSON in a cell",
        "2:39",
        '"80" is not a port',
        f'{A},"[{{""client_port"":""80"",""server_port"":1}}]"',
    ),
    _wide("empty JSON in a cell", "2:38", "remove_ports", f"{A},[]"),
    _long("float", "2:38", '"80.0" is not a port', f"{A},80.0,22,TCP"),
    _long("exponent", "2:38", '"8e1" is not a port', f"{A},8e1,22,TCP"),
    _long("port 65536 in a cell", "2:41", '"65536" is not a port', f"{A},80,65536,"),
    _long("negative", "2:41", '"-22" is not a port', f"{A},80,-22,TCP"),
    _long("no server port", "2:41", "the port is missing", f"{A},80,,TCP"),
    _long("protocol alone", "2:38", "the port is missing", f"{A},,,TCP"),
    _long("protocol of ICMP", "2:44", '"icmp" is not a protocol', f"{A},80,22,icmp"),
    _long("client port on two lines", "3:38", "share the client port 80/TCP", f"{A},80,1,", f"{A},80,2,"),
    _long("mapping on two lines", "3:38", "80:1/TCP is given twice", f"{A},80,1,", f"{A},80,1,TCP"),
    _long("201 lines", "202:38", "201 mappings", *(f"{A},{n},80," for n in range(1, 202))),
    _field("empty list", '"ports": []', "an empty list"),
    _field("text for a list", '"ports": "80:80"', "is not a list of mappings"),
    _field("list of text", '"ports": ["80:80"]', '"80:80" is not a mapping'),
    _field("port in quotes", '"ports": [{"client_port": "80", "server_port": 1}]', "without quotes"),
    _field("port true", '"ports": [{"client_port": true, "server_port": 1}]', "true is not a port"),
    _field("port as a float", '"ports": [{"client_port": 80.0, "server_port": 1}]', "80.0 is not a port"),
    _field("huge port", '"ports": [{"client_port": 1e400, "server_port": 1}]', "not JSON", 82),
    _field("port absent", '"ports": [{"client_port": 80}]', "the port is missing"),
    _field(
        "protocol null",
        '"ports": [{"client_port": 80, "server_port": 1, "protocol": null}]',
        "null is not a protocol",
    ),
    _field(
        "field too many", '"ports": [{"client_port": 80, "server_port": 1, "proto": "TCP"}]', "unknown field"
    ),
)

SETTINGS = (
    _setting("truth as a number", "approval_enabled", "1", "neither true nor false"),
    _setting("truth as yes", "approval_enabled", "yes", "write true or false"),
    _setting("name too long", "service_name", "a" * 65, "at most 16"),
    _setting("name with a dot", "service_name", "web.a", "is not a service name"),
    _setting("markup in a description", "description", "a<b>", "< or >"),
    _setting("description too long", "description", "a" * 513, "513 characters"),
    _setting("control character", "description", "bell\a", "U+0007"),
    _setting("unknown tcp_proxy", "tcp_proxy", "on", "toa_open"),
    _setting("IPv6", "ip", "2001:db8::1", "neither IPv4"),
    _setting("octet of 256", "ip", "10.0.0.256", "neither IPv4"),
    _setting("one label", "ip", "localhost", "neither IPv4"),
    _setting("port_id is no UUID", "port_id", "eth0", '"eth0" is not a UUID'),
    _setting("vip_port_id is no UUID", "vip_port_id", "vip", '"vip" is not a UUID'),
    _setting("project id with dashes", "project_id", A, f"write {A.replace('-', '')}"),
    _setting("project name", "project_id", "cn-north-4_web", "32 lower-case hex digits"),
    _setting("region by its name", "region", "CN North-Beijing4", "such as cn-north-4"),
    _setting("profile with blanks", "profile", "my profile", "the name of a profile"),
    _field("null", '"description": null', "leave the field out"),
    _field("truth in quotes", '"approval_enabled": "true"', "without quotes"),
    _field("description is a number", '"description": 5', "is not a string"),
    _field("unknown field", '"prots": []', "did you mean ports?"),
    _field("field twice", f'"ports": [{_MAP}], "ports": [{_MAP}]', "given twice", 118),
    _field(
        "port twice", '"ports": [{"client_port": 1, "client_port": 2, "server_port": 3}]', "given twice", 100
    ),
)

_ERRORS = ("#N/A", "#NV", "#REF!", "#BEZUG!", "#¡REF!", "#NAME?", "#¿NOMBRE?", "#DIV/0!", "#GETTING_DATA")

SPREADSHEETS = (
    *(_wide(f"{error} in place of an id", "2:1", f'"{error}" is a', f"{error},1:2") for error in _ERRORS),
    *(_setting(f"{error} in a note", "note", error, f'"{error}" is a') for error in _ERRORS),
    *(
        _setting(f"#VALUE! in {column}", column, "#VALUE!", "error value")
        for column in ("region", "description", "service_name", "approval_enabled", "port_id")
    ),
    _wide("#SPILL! in ports", "2:38", "error value", f"{A},#SPILL!"),
    _wide("error value behind a blank", "2:39", '"#CALC!" is a', f"{A}, #CALC!\u00a0"),
    _wide("error value of LibreOffice", "2:38", '"Err:508" is a', f"{A},Err:508"),
    _wide("column too narrow", "2:1", '"####" is a', "####,1:2"),
    _wide("no blank behind #", "2:1", "is not a UUID", "#old,1:2"),
    _long("#NUM! as a port", "2:38", '"#NUM!" is not a port', f"{A},#NUM!,22,TCP"),
    _long("#NULL! as a protocol", "2:44", '"#NULL!" is not a protocol', f"{A},80,22,#NULL!"),
    _long("#N/A in place of an id of one line", "3:1", '"#N/A" is a', f"{A},80,22,TCP", "#N/A,81,23,TCP"),
    _field("error value as a text", '"description": "#N/A"', '"#N/A" is a'),
    _json("error value as a line", "1:1", "not JSON", "#N/A"),
)

HOSTILE = (
    _json("bell in a field twice", "1:22", '"\\x07" is given twice', '{"\\u0007":1,"\\u0007":2}'),
    _wide(
        "escape in a column twice",
        "1:1",
        '"\\x1b[2J" occurs twice',
        f"{A},1,2",
        header="service_id,\x1b[2J,\x1b[2J",
    ),
    _wide("escape in a column", "1:12", 'unknown column "\\x1b[2J"', f"{A},1", header="service_id,\x1b[2J"),
    _wide("turned text in an id", "2:1", '"\\u202eweb" is not a UUID', "\u202eweb,1:2"),
)

ROWS = (
    _wide("asks nothing", "2:1", "asks for no change", f"{A},"),
    _wide("only expects", "2:1", "asks for no change", f"{A},1:2", header="service_id,expect_ports"),
    _json("asks nothing in JSON", "1:17", "asks for no change", f'{{"service_id": "{A}", "note": "x"}}'),
    _long("line that says nothing", "3:38", "neither a mapping nor a setting", f"{A},1,2,", f"{A},,,"),
    _long(
        "another note below",
        "3:43",
        "differs from an earlier line",
        f"{A},1,2,,x",
        f"{A},3,4,,y",
        more=",note",
    ),
    _long("id missing on the second line", "3:1", "the id is missing", f"{A},1,2,", ",3,4,"),
    _long("line above unreadable", "3:1", "line 2, which cannot be read", "x,1,2,", f"{A},3,4,"),
    _wide(
        "port_id with ip",
        "2:1",
        "cannot be combined with port_id",
        f"{A},{NIC},192.0.2.7",
        header="service_id,port_id,ip",
    ),
    _wide(
        "vip_port_id with ip",
        "2:1",
        "cannot be combined with vip_port_id",
        f"{A},{NIC},192.0.2.7",
        header="service_id,vip_port_id,ip",
    ),
    _wide(
        "ports with add_ports",
        "2:1",
        "cannot be combined with ports",
        f"{A},1:2,3:4",
        header="service_id,ports,add_ports",
    ),
    _wide(
        "ports with remove_ports",
        "2:1",
        "cannot be combined with ports",
        f"{A},1:2,3:4",
        header="service_id,ports,remove_ports",
    ),
    _wide(
        "added and removed",
        "2:1",
        "1:2/TCP is in add_ports and in remove_ports",
        f"{A},1:2,1:2",
        header="service_id,add_ports,remove_ports",
    ),
    _wide(
        "server port wanted twice",
        "3:1",
        f"server port 22/TCP on {NIC} is also wanted at wide.csv:2:1",
        f"{A},1:22,{NIC}",
        f"{B},2:22,{NIC}",
        header="service_id,ports,port_id",
    ),
    _wide(
        "server port added twice",
        "2:1",
        f"server port 22/UDP on {NIC} is also wanted at wide.csv:3:1",
        f"{A},1:22/UDP,{NIC}",
        f"{B},2:22/UDP,{NIC}",
        header="service_id,add_ports,port_id",
    ),
)

BAD_JOBS = WHOLE_FILE + LINES + HEADERS + IDS + MAPPINGS + SETTINGS + SPREADSHEETS + HOSTILE + ROWS
