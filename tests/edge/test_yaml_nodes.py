import pytest
import yaml

from edge.yaml_nodes import FAST_LOADER, Listing, Mapping, Scalar, Unreadable, read_nodes

LOADERS = {"libyaml": FAST_LOADER, "pure Python": yaml.SafeLoader}


@pytest.fixture(params=LOADERS, name="loader")
def _loader(request):
    return LOADERS[request.param]


def read(text, loader):
    root, faults = read_nodes(text, loader)
    assert isinstance(root, Mapping)
    return root, faults


def scalars(root):
    return {entry.key: entry.value.text for entry in root.entries}


def test_scalars_keep_the_text_a_person_wrote(loader):
    text = b"on: off\n010: 0x10\n12:30: 12:30:00\nempty:\nquoted: ''\nnan: .nan\n"
    root, faults = read(text, loader)
    assert scalars(root) == {
        "on": "off",
        "010": "0x10",
        "12:30": "12:30:00",
        "empty": "",
        "quoted": "",
        "nan": ".nan",
    }
    assert [entry.value.is_missing for entry in root.entries] == [False] * 3 + [True, False, False]
    assert faults == ()


def test_every_node_knows_its_line(loader):
    root, _ = read(b"# comment\na: 1\nb:\n  - x\n  - [2, 3]\nc: {d: e}\n", loader)
    assert [entry.line for entry in root.entries] == [2, 3, 6]
    listing = root.entries[1].value
    assert isinstance(listing, Listing)
    assert [item.line for item in listing.items] == [4, 5]
    assert isinstance(root.entries[2].value, Mapping)


def test_duplicate_keys_are_kept_for_whoever_knows_what_they_mean(loader):
    root, _ = read(b"a: 1\na: 2\n", loader)
    assert [(entry.key, entry.line) for entry in root.entries] == [("a", 1), ("a", 2)]


def test_byte_order_mark_and_windows_line_ends_just_work(loader):
    root, _ = read(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", loader)
    assert scalars(root) == {"a": "1", "b": "2"}
    assert [entry.line for entry in root.entries] == [1, 2]


@pytest.mark.parametrize("text", [b"", b"\n\n", b"# only a comment\n"])
def test_a_file_without_content_has_no_root(loader, text):
    assert read_nodes(text, loader) == (None, ())


def test_refused_constructs_are_all_reported_and_leave_a_usable_root(loader):
    text = b"a: &one 1\nb: *one\n<<: {c: 2}\nd: !!int 3\n"
    root, faults = read(text, loader)
    assert [(fault.line, fault.what) for fault in faults] == [
        (1, "an anchor (&one) is not allowed here"),
        (2, "an alias (*one) is not allowed here"),
        (3, "a merge key (<<) is not allowed here"),
        (4, "a tag (tag:yaml.org,2002:int) is not allowed here"),
    ]
    assert scalars(root) == {"a": "1", "b": "1", "d": "3"}


def test_an_alias_inside_its_own_anchor_is_no_endless_loop(loader):
    root, faults = read(b"a: &loop [*loop]\n", loader)
    assert len(faults) == 2
    assert root.entries[0].value == Listing((Scalar("", 1),), 1)


# name: (text, line, what is wrong, what to do)
UNREADABLE = {
    "tab_indents": (
        b"a:\n\tb: 1\n",
        2,
        "a tab where YAML allows only spaces",
        "replace it with spaces",
    ),
    "tab_after_spaces": (
        b"a:\n  b: 1\n \tc: 2\n",
        3,
        "a tab where YAML allows only spaces",
        "replace it with spaces",
    ),
    "open_quote": (b"a: 1\nb: 'x\nc: 2\n", 2, "a quote is opened and never closed", "close it"),
    "open_list": (
        b"a: 1\nb: [1, 2\nc: 3\n",
        2,
        "a list or mapping opened with '[' is not closed where it should be",
        "look for the missing ']' or ',' up to line 3",
    ),
    "no_colon": (b"a: 1\nb\nc: 2\n", 2, "'b' has no ':' after it", "write 'name: value'"),
    "unquoted_pattern": (
        b"ids: {row:A}{column}\n",
        1,
        "a value begins with a character that means something else in YAML",
        "put the value in quotes",
    ),
    "at_sign": (
        b"a: @home\n",
        1,
        "a value begins with a character that means something else in YAML",
        "put the value in quotes",
    ),
    "indented_too_far": (
        b"a: 1\n  b: 2\n",
        2,
        "a ':' where no setting can begin",
        "check this line's indentation and the line above; put a text with ': ' in quotes",
    ),
    "indented_too_little": (
        b"a:\n    b: 1\n  c: 2\n",
        3,
        "this line does not fit the ones above",
        "give settings of one section the same indentation",
    ),
    "two_documents": (
        b"a: 1\n---\nb: 2\n",
        2,
        "a second document begins here ('---')",
        "keep one document per file",
    ),
    "list_as_key": (
        b"a: 1\n[b, c]: 2\n",
        2,
        "a list or mapping where the name of a setting should be",
        "write 'name: value'; put names and values that begin with [ or { in quotes",
    ),
    "deep": (
        b"a: 1\nb: " + b"[" * 100_000,
        2,
        "lists or mappings nested more than 12 deep",
        "no setting is nested so deeply; check the brackets and the indentation",
    ),
    "huge": (
        b"# " + b"x" * (1 << 20),
        1,
        "the file is larger than 1 MiB",
        "this is no settings file; name the right one",
    ),
    "many_values": (
        b"- 1\n" * 60_001,
        60_001,
        "more than 60,000 values",
        "this is no settings file; name the right one",
    ),
    "latin_1": (
        "a: 1\r\nlabel: Schlüssel\r\n".encode("latin-1"),
        2,
        "the text is not UTF-8",
        "save the file with the encoding UTF-8",
    ),
    "utf_16": (
        "a: 1\n".encode("utf-16"),
        1,
        "the text is not UTF-8",
        "save the file with the encoding UTF-8",
    ),
    "null_byte": (
        b"a: 1\nb: \0\n",
        2,
        "an invisible character (U+0000) that no text file holds",
        "delete it, or save the file as plain UTF-8 text",
    ),
    "line_separator": (
        "a: 1\nb: x\u2028y\n".encode(),
        2,
        "an invisible character (U+2028) that no text file holds",
        "delete it, or save the file as plain UTF-8 text",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_text_names_the_line_and_the_remedy(loader, name):
    text, line, what, remedy = UNREADABLE[name]
    with pytest.raises(Unreadable) as caught:
        read_nodes(text, loader)
    fault = caught.value.fault
    assert (fault.line, fault.what, fault.remedy) == (line, what, remedy)
