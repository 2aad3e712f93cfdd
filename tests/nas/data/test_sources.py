import gzip
import io
import tarfile
from pathlib import Path

import pytest

from nas.data import sources
from nas.data.sources import open_source
from nas.errors import InvalidDataset
from tests.nas.data.archives import Files, folder, tar, zipped

FILES: Files = {"one": b"first", "sub/two": b"second" * 1000}


def contents(path: Path, scratch: Path | None = None) -> Files:
    with open_source(path, scratch) as source:
        return {name: source.read(name) for name in source.names}


def member(
    name: str, content: bytes = b"x", **attributes: object
) -> tuple[tarfile.TarInfo, bytes]:
    made = tarfile.TarInfo(name)
    made.size = len(content)
    for key, value in attributes.items():
        setattr(made, key, value)
    return made, content


def packed(
    path: Path, *members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT
) -> Path:
    made = path / "made.tar"
    with tarfile.open(made, "w", format=form) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return made


@pytest.mark.parametrize(
    "store",
    [folder, tar, lambda files, path: tar(files, path, mode="w"), zipped],
    ids=["folder", "tar.gz", "tar", "zip"],
)
def test_every_kind_of_source_holds_the_same_files(store, tmp_path: Path):
    assert contents(store(FILES, tmp_path)) == FILES


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_hidden_files_of_a_tar_archive(form: int, tmp_path: Path):
    name = "folder/" + "n" * 300
    path = packed(
        tmp_path,
        *(member(f"./{name}", b"content"), member("./.hidden"), member("__MACOSX/._x")),
        member("other", b"y"),
        form=form,
    )
    assert contents(path) == {name: b"content", "other": b"y"}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (member("/etc/passwd"), "leads outside"),
        (member("a/../../b"), "leads outside"),
        (member("a\\b"), "backslash"),
        (member("link", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "'link': a link"),
        (member("link", b"", type=tarfile.LNKTYPE, linkname="good"), "'link': a link"),
        (member("pipe", b"", type=tarfile.FIFOTYPE), "'pipe': not a regular file"),
        (member("disk", b"", type=tarfile.BLKTYPE), "'disk': not a regular file"),
        (member("tty", b"", type=tarfile.CHRTYPE), "'tty': not a regular file"),
        (member("good"), "good: twice in the archive"),
        (
            member("holes", b"", pax_headers={"GNU.sparse.size": "99999999999"}),
            "'holes': not a regular file",
        ),
    ],
)
def test_a_member_that_is_no_file_of_the_archive_is_refused(
    bad: tuple[tarfile.TarInfo, bytes], message: str, tmp_path: Path
):
    with pytest.raises(InvalidDataset, match=message):
        contents(packed(tmp_path, member("good"), bad))
    assert [path.name for path in tmp_path.iterdir()] == ["made.tar"]


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_HEADER_BYTES", 1000)
    path = packed(tmp_path, member("n" * 2000))
    with pytest.raises(InvalidDataset, match=r"a tar header of \d+ bytes, more than 1000"):
        contents(path)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_every_cut_of_a_tar_archive_is_refused_or_lacks_files(mode: str, tmp_path: Path):
    path = tar(FILES, tmp_path, mode=mode)
    content = path.read_bytes()
    # What follows the last file's last byte is zeros.
    end = content.rindex(b"second") + 6 if mode == "w" else len(content)
    for length in range(0, end, 61):
        path.write_bytes(content[:length])
        try:
            found = contents(path)
        except InvalidDataset:
            continue
        # Between two members an archive without its end looks whole.
        assert mode == "w"
        assert length % 512 == 0
        assert found.items() < FILES.items()


def test_a_damaged_header_between_two_members_is_not_the_end(tmp_path: Path):
    path = packed(tmp_path, member("one"), member("two"))
    content = bytearray(path.read_bytes())
    content[1024] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidDataset, match="damaged at byte 1024"):
        contents(path)


def test_a_gzip_file_of_something_else_is_refused(tmp_path: Path):
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(b"not a tar archive" * 100))
    with pytest.raises(InvalidDataset, match=r"text\.gz: a tar archive that is cut short or dam"):
        contents(path)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_UNPACKED_BYTES", 5_000_000)
    path = tar({"zeros": bytes(6_000_000)}, tmp_path)
    assert path.stat().st_size < 20_000
    with pytest.raises(InvalidDataset, match="unpacks to more than 5000000 bytes"):
        contents(path)


def test_unpacking_leaves_nothing_behind(tmp_path: Path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    path = tar(FILES, tmp_path)
    with open_source(path, scratch) as source:
        assert source.read("one") == b"first"
    assert list(scratch.iterdir()) == []
