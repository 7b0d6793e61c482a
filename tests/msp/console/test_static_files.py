"""Static files are kept with a smaller copy, made in no time."""

import gzip

from django.core.files.storage import storages

from msp.console.static_files import GzippedStaticFilesStorage


def test_each_file_has_a_gzipped_copy(tmp_path) -> None:
    text = "body { color: black; }\n" * 99
    (tmp_path / "a.css").write_text(text)
    storage = type(storages["staticfiles"])(location=tmp_path)
    assert isinstance(storage, GzippedStaticFilesStorage)
    made = [name for _, name, _ in storage.post_process({"a.css": (storage, "a.css")})]
    assert made == ["a.css.gz"]
    assert gzip.decompress((tmp_path / "a.css.gz").read_bytes()).decode() == text
