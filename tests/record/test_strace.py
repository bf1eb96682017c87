"""Lines of strace: every shape they come in, and strings of any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.errors import HarnessFault, Inconclusive
from chaoswal.record.strace import Call, Phase, calls, data_of, flags_of, number_of, path_of, split, whole_lines

WHOLE = [
    ("71 fsync(5) = 0", Call(pid=71, name="fsync", text="5", result=0)),
    ("71 close(3)                          = 0", Call(pid=71, name="close", text="3", result=0)),
    ("71 sync() = 0", Call(pid=71, name="sync", text="", result=0)),
    (
        "71 fsync(5) = -1 EIO (Input/output error)",
        Call(pid=71, name="fsync", text="5", result=-1, error="EIO"),
    ),
    ("71 read(0x3, 0x7f68, 0x10) = 0xa", Call(pid=71, name="read", text="0x3, 0x7f68, 0x10", result=10)),
    ("71 mmap(NULL, 8) = 0x7f00", Call(pid=71, name="mmap", text="NULL, 8", result=0x7F00)),
    ('71 write(1, "x", 1) = ?', Call(pid=71, name="write", text='1, "x", 1', result=None)),
    (
        '71 write(1, "x", 1) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)',
        Call(pid=71, name="write", text='1, "x", 1', result=None, error="ERESTARTSYS"),
    ),
    ('71 write(1, ") = 5", 5) = 5', Call(pid=71, name="write", text='1, ") = 5", 5', result=5)),
    ("71 fcntl(3, F_GETFD) = 0x1 (flags FD_CLOEXEC)", Call(pid=71, name="fcntl", text="3, F_GETFD", result=1)),
]


@pytest.mark.parametrize(("line", "call"), WHOLE, ids=[line for line, _ in WHOLE])
def test_a_call_in_one_line(line: str, call: Call) -> None:
    assert calls([line]) == [(Phase.WHOLE, call)]
    assert call.ok == (call.result is not None and not call.error)


def test_a_call_that_others_come_in_between_is_met_twice() -> None:
    lines = [
        "72 fsync(5 <unfinished ...>",
        '71 write(3, "<unfinished ...>", 16) = 16',
        "72 <... fsync resumed>)              = -1 EIO (Input/output error)",
    ]
    sync = Call(pid=72, name="fsync", text="5", result=-1, error="EIO")
    write = Call(pid=71, name="write", text='3, "<unfinished ...>", 16', result=16)
    assert calls(lines) == [(Phase.ENTRY, sync), (Phase.WHOLE, write), (Phase.EXIT, sync)]


def test_arguments_may_come_with_the_return() -> None:
    lines = ["72 pipe2( <unfinished ...>", "71 sync() = 0", "72 <... pipe2 resumed>[3, 4], O_CLOEXEC) = 0"]
    assert calls(lines)[-1] == (Phase.EXIT, Call(pid=72, name="pipe2", text="[3, 4], O_CLOEXEC", result=0))


@pytest.mark.parametrize(
    "end",
    ["", "72 <... fsync resumed>) = ?", "72 <... fsync resumed> <unfinished ...>) = ?", "72 +++ killed by SIGKILL +++"],
)
def test_whoever_is_killed_in_a_call_does_not_return(end: str) -> None:
    found = calls(["72 fsync(5 <unfinished ...>", *([end] if end else [])])
    assert found[0] == (Phase.ENTRY, found[0][1])
    assert found[0][1].result is None
    assert not found[0][1].ok


@pytest.mark.parametrize("line", ['71 write(0, "\\0", 1 <detached ...>', '71 write(0, "\\0", 1 <unfinished ...>'])
def test_nor_does_whoever_strace_lets_go_of_in_one(line: str) -> None:
    call = Call(pid=71, name="write", text='0, "\\0", 1', result=None)
    assert calls([line, "71 <detached ...>"]) == [(Phase.ENTRY, call)]
    assert calls(['71 write(3, " <detached ...>", 16) = 16'])[0][1].result == 16


def test_what_had_begun_before_the_first_line_is_left_out() -> None:
    assert calls(['72 <... read resumed>"", 4) = 0', "72 --- SIGCHLD {si_signo=SIGCHLD} ---"]) == []


def test_what_is_no_line_of_strace_is_our_mistake() -> None:
    with pytest.raises(HarnessFault, match="cannot read this line"):
        calls(["Segmentation fault"])
    with pytest.raises(HarnessFault, match="what fsync returned"):
        calls(["71 fsync(5) = fine"])


def test_a_piece_of_output_is_cut_to_whole_lines() -> None:
    assert whole_lines(")    = 0x4\n71 sync() = 0\n72 read(0x5, 0x7f") == ["71 sync() = 0"]
    assert whole_lines("71 sync() = 0\n") == ["71 sync() = 0"]
    assert whole_lines("") == []


def test_arguments_are_split_at_their_own_commas() -> None:
    assert split('3, [{iov_base="a, b", iov_len=4}, {iov_base="]", iov_len=1}], 2') == [
        "3",
        '[{iov_base="a, b", iov_len=4}, {iov_base="]", iov_len=1}]',
        "2",
    ]
    assert split('AT_FDCWD, "a\\"b, c", O_RDONLY') == ["AT_FDCWD", '"a\\"b, c"', "O_RDONLY"]
    assert split("") == []


@pytest.mark.parametrize("name", ["pwrite64", "pwritev"])
def test_a_long_string_is_not_looked_into(name: str) -> None:
    call = Call(pid=1, name=name, text='3, "a, \\"b\\", ", 9, 100', result=9)
    assert call.arguments() == ["3", '"a, \\"b\\", "', "9", "100"]
    cut = Call(pid=1, name=name, text='3, "a"..., 9, 100', result=9)
    assert cut.arguments() == ["3", '"a"...', "9", "100"]
    assert Call(pid=1, name=name, text="3, NULL, 9, 100", result=-1).arguments() == ["3", "NULL", "9", "100"]


def escaped(data: bytes) -> str:
    """As strace writes it: the shortest octal escape that the next character allows."""
    named = {9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
    found = []
    for place, byte in enumerate(data):
        digit = data[place + 1 : place + 2].isdigit()
        plain = chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}" if digit else f"\\{byte:o}"
        found.append(named.get(byte, plain))
    return '"' + "".join(found) + '"'


@given(st.binary())
def test_any_bytes_are_read_back(data: bytes) -> None:
    assert data_of(escaped(data)) == data
    assert data_of(f"[{{iov_base={escaped(data)}, iov_len=1}}, {{iov_base={escaped(data)}, iov_len=1}}]") == data + data
    line = f"71 pwrite64(3, {escaped(data)}, {len(data)}, 5) = {len(data)}"
    [(_, call)] = calls([line])
    assert call.arguments() == ["3", escaped(data), str(len(data)), "5"]


def test_a_string_that_was_cut_short_is_told() -> None:
    for argument in ('"abc"...', '[{iov_base="abc"..., iov_len=900}]'):
        with pytest.raises(Inconclusive, match="not recorded whole"):
            data_of(argument)


def test_paths_numbers_and_flags() -> None:
    assert path_of('"/tmp/\\303\\244\\377"') == "/tmp/ä\udcff"
    assert (number_of("[512] => [516]"), number_of("0x10"), number_of("NULL", -1), number_of("-1")) == (512, 16, -1, -1)
    assert flags_of("O_RDWR|O_CREAT") == {"O_RDWR", "O_CREAT"}
    assert flags_of("{flags=O_RDWR|O_CREAT, mode=0600, resolve=0}") == {"O_RDWR", "O_CREAT"}
    assert flags_of("child_stack=NULL, flags=CLONE_VM|SIGCHLD, parent_tid=[5]") == {"CLONE_VM", "SIGCHLD"}
